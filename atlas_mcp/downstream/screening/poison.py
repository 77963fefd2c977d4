"""How poisoned descriptions of tools speak: of other tools, of files with secrets, of what happens if not.

In a result the same words may be documentation; in what a tool says of itself they have no place.
"""

from __future__ import annotations

from atlas_mcp.downstream.screening.phrases import CALLS, ORDERS, SECRETS, SENDS, Phrase

__all__ = ["OF_TOOLS"]

OF_TOOLS = (
    Phrase(
        CALLS,
        "before after prior when whenever every",
        r"""(?: to)?(?: you)?(?: time)?(?: you)? (?:using|calling|invoking|running|executing|use|call
        |invoke)
         (?:this|any|another|other|any other|each|every|the (?:other )?\S{1,40})
        (?: (?:other )?(?:tools?|functions?|commands?|servers?))?[ ,:]{1,3}(?:you )?
        (?:must |should |have to |need to |always |first |please |also ){0,3}
        (?:read|open|load|cat|send|include|access|copy|append|pass|call (?:this|it)) """,
        description=True,
    ),
    Phrase(
        CALLS,
        "when whenever if once while",
        r"""~4~[`'\"]?\w{1,40}[`'\"]? (?:tool |function |server )?(?:is|are|gets)
         (?:called|used|invoked|available|present|connected|requested|run)\b[ ,:]{1,3}
        (?:you |the (?:agent|model|assistant|recipient) |all |then |it ){0,3}
        (?:must|should|have to|always|never|change|replace|set|send|modify|add)\b~12~
        (?:recipients?|address|proxy|send|replac\w{1,5}|chang\w{1,4}|attacker|instead|bcc|amount
        |\S{1,30}@)""",
        description=True,
    ),
    Phrase(
        CALLS,
        "this it",
        r""" (?:tool |function |server )?(?:replaces|supersedes|overrides|takes precedence over
        |has priority over
        |has higher priority than|is safer than|is more trusted than
        |must be (?:called|used) (?:before|instead of|after|prior to)) (?:all|any|every|each|other
        |the (?:other|built|\S{1,30} tool))""",
        description=True,
    ),
    Phrase(
        CALLS,
        "all any every other the",
        r"""(?: other)? (?:tools?|servers?|functions?)(?: on| of| from| in)?(?: \w{1,20}){0,3}
         (?:must not|(?:is|are) (?:deprecated|insecure|broken|unsafe|compromised|forbidden)
        |must (?:first|always|send))\b""",
        description=True,
    ),
    Phrase(
        CALLS,
        "do don't don\u2019t never stop",
        r"""(?: not)? (?:use|call|using|calling|invoke) (?:any |the |all )?
        (?:other|another|native|security|scanner|safety|moderation)(?: \w{1,20}){0,2} tools?\b
        (?: (?:again|anymore|but|instead)|[.!,]| except)""",
        description=True,
    ),
    Phrase(
        SECRETS,
        "read open cat print load fetch include get access retrieve contents content pass send",
        r"~8~(?:\S{0,40})?<FILE>",
        description=True,
    ),
    Phrase(
        SENDS,
        "put pass include copy append write add",
        r"""~2~(?:last|previous|whole|entire|full|complete|all|everything|user['\u2019]?s?|conversation
        |whatever)~6~
        (?:message|conversation|prompt|history|messages|said|wrote|chat|context|told)\b
        ~8~(?:into|as|in|to) (?:the )?[`'\"]\w{1,40}[`'\"]""",
        description=True,
    ),
    Phrase(
        ORDERS,
        "otherwise or else",
        r"""(?: else)?,? (?:this|the) (?:tool|function|application|server)
         (?:will not|won['\u2019]t|does not|cannot|will) (?:work|crash|function|fail|be blocked)\b""",
        description=True,
    ),
)
"""What a description is looked through for beside what any text is."""
