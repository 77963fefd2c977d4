"""How texts speak to a model that reads them: the turns of phrase by which they give it orders.

Each begins with a word of its own, at which alone it is tried, and reaches a bounded number of words from
there, so that looking through a text takes time in proportion to its length. They are for text in small
letters. Few and plain on purpose: what an order looks like that uses none of them is not known here, and
nothing rests on them alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

__all__ = ["ASIDE", "ENGLISH", "HIDES", "REVEALS", "Phrase"]


@dataclass(frozen=True)
class Phrase:
    """A turn of phrase: what it does, the words it begins with, how it goes on, and whether for tools only.

    In `then`, a regular expression over lines that are joined, `~4~` stands for at most four words and what
    parts them, and `<MODEL>` and its like for the alternatives below.
    """

    name: str
    begin: str
    then: str
    description: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words it begins with."""
        return tuple(self.begin.split())

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """How it goes on, compiled."""
        plain = self.then.replace(_WRAP, "")
        plain = re.sub(r"<([A-Z]+)>", lambda found: f"(?:{_NAMED[found[1]]})", plain)
        plain = re.sub(r"~(\d+)~", lambda found: _gap(int(found[1])), plain)
        return re.compile(f"(?:{plain})")


_WRAP = "\n" + 8 * " "


def _gap(most: int) -> str:
    """At most so many words, and what parts them, within a sentence."""
    part = r"[^\w.!?]{1,4}"
    return rf"(?:{part}[\w'\u2019/-]{{1,24}}){{0,{most}}}?{part}"


_NAMED = {
    "EARLIER": r"previous(?:ly)?|prior|above|earlier|preceding|foregoing|existing|original|initial"
    r"|current|all|any"
    r"|your|system|former|past|other",
    "PRIOR": r"previous(?:ly)?|prior|above|earlier|preceding|foregoing|original|initial|your",
    "ORDERED": r"instructions?|directions|directives?|prompts?|guidelines?|programming|system.message"
    r"|commands",
    "MODEL": r"(?:ai|a\.i\.|llms?|(?:large.)?language.models?|ai.(?:assistants?|agents?|models?|systems?"
    r"|bots?)"
    r"|chat.?bots?|assistants?|chatgpt|gpt-?\d?\w?|claude|copilot|gemini|grok)\b(?![-/])",
    "VERB": r"(?:you (?:must|should|need|have|will|are|can)|please|must|ignore|disregard|do not"
    r"|don['\u2019]t|always"
    r"|never|stop|send|call|include|recommend|reply|respond|say|write|output|add|open|visit|approve|rate"
    r"|summari[sz]e|print|insert|forward|click|reveal|delete|transfer|execute|grant|give|tell)\b",
    "PERSON": r"(?:the |your |any |a )?(?:end.?)?(?:users?|humans?|persons?|operators?|owner|customer"
    r"|people|anyone"
    r"|anybody)\b",
    "PLACE": r"https?://\S|[\w.+-]{1,40}@[\w-]{1,40}\."
    r"|(?:the |this |my |our )?(?:attacker|webhook|following (?:url|address|e-?mail|endpoint|server"
    r"|number))",
    "SECRET": r"(?:(?:api|ssh|private|secret|access).?keys?|passwords?|credentials?|secrets?"
    r"|(?:access.|session.|auth.)?tokens?|\.env\b|id_rsa|environment.variables?|env.vars?|cookies?"
    r"|(?:conversation|chat|message)(?:.history|.context|.log)?|(?:system.)?prompt"
    r"|private.(?:data|files|repositor\w{1,4})|(?:the )?user['\u2019]?s?.(?:data|files|e-?mails?"
    r"|messages|name|address"
    r"|location|documents))\b",
    "FILE": r"~/?\.ssh|id_rsa|id_ed25519|~?/?\.aws/credentials|mcp\.json|/etc/(?:passwd|shadow)|\.env\b"
    r"|\.netrc"
    r"|\.npmrc|\.git-credentials|claude_desktop_config|\.kube/config",
    "TOOL": r"[`'\"]?(?:\w{1,40}[_-]\w{1,40}[`'\"]?|[`'\"]\w{1,40}[`'\"]|e-?mail|shell|bash|terminal"
    r"|file|payment"
    r"|transfer|delete|browser) (?:tool|function|command)\b",
}

ASIDE = "asks to set instructions aside"
ROLE = "gives a model another role"
POSES = "poses as a message of the system"
ORDERS = "addresses a model with orders"
HIDES = "asks to hide something from the user"
CALLS = "tells which tool to call"
SENDS = "asks to send something away"
SECRETS = "asks to read secrets"
REVEALS = "asks a model for its instructions"

ENGLISH = (
    Phrase(
        ASIDE,
        "ignore ignoring disregard disregarding forget forgetting",
        r"""~4~<EARLIER>~4~<ORDERED>
        |~0~(?:all |any |the |your )?(?:of )?(?:your |the |these |those |any )?<ORDERED>
        ~0~(?:above|before|you|given|from|that|and|in your)\b
        |~0~(?:everything|anything|all|whatever|what)~3~
        (?:above|before|told|said|instructed|previously|learned|know)\b
        |~3~(?:your|previous|prior)~2~(?:rules|restrictions|constraints|training|safety|safeguards|filters
        |ethic\w{1,5}|limitations)\b""",
    ),
    Phrase(
        ASIDE,
        "override overrule bypass neglect discard abandon drop skip erase supersede cancel",
        r" (?:all |any |of |the |your ){0,3}<PRIOR>(?: [\w'\u2019/-]{1,24}){0,2}? <ORDERED>",
    ),
    Phrase(
        ASIDE,
        "pay give",
        r"~0~no (?:attention|heed|regard) to~4~(?:<ORDERED>|above|before)",
    ),
    Phrase(
        ASIDE,
        "stop instead do don't don\u2019t quit cease",
        r"""~0~(?:not )?(?:of )?(?:following|obeying|follow|obey) (?:the |any |all |your )?(?:of )?
        (?:your |the )?(?:previous|prior|earlier|original|initial|system)~2~<ORDERED>""",
    ),
    Phrase(
        ASIDE,
        "new updated real actual true revised",
        r""" (?:instructions?|task|objective|goal|mission|system prompt|directives?)
        (?: (?:is|are)(?: now)?|:)[\s*_:]{1,4}(?:to |you |ignore|disregard|send|call|output|print|say
        |reply|respond
        |tell|recommend|forget|do )""",
    ),
    Phrase(
        ROLE,
        "you",
        r""" are (?:now|no longer|henceforth|from now on)[ ,]{1,2}
        (?:in |a |an |the |my |bound |called |named |acting as |playing )?
        (?:dan|developer.mode|jailbroken|unrestricted|unfiltered|free|evil|hacker|pirate|admin|root|bound
        |assistant|subject|limited|chatgpt|malicious|uncensored|constrained|restricted)\b
        | (?:have|are under) no (?:more )?(?:restrictions|limitations|limits|rules|filters|ethical)""",
    ),
    Phrase(
        ROLE,
        "from",
        r" now on,? (?:you(?:['\u2019]ll| will| must| are| should| shall)|ignore|always|never|respond"
        r"|only)\b",
    ),
    Phrase(
        ROLE,
        "do developer jailbreak dan debug god sudo",
        r" anything now|[ -]mode (?:is )?(?:now )?(?:enabled|activated|on\b|unlocked|engaged)",
    ),
    Phrase(
        ROLE,
        "pretend act behave roleplay imagine",
        r"""~0~(?:that |as if |as though |to be |as ){0,2}(?:you (?:are|have|were)|you're|an?)?~3~
        (?:no|without|not|unrestricted|unfiltered|evil|malicious|jailbroken|uncensored)~0~(?:any |have
         |bound |ai
        |rules|restrictions|limitations|filters|guidelines|assistant|safety)""",
    ),
    Phrase(
        ORDERS,
        "if",
        r""" (?:you(?:['\u2019]re| are) |this is (?:being )?(?:read|processed|summari[sz]ed|seen) by )
        (?:an? |the |any )?<MODEL>~8~<VERB>""",
    ),
    Phrase(
        ORDERS,
        "if as since because",
        r""" (?:you(?:['\u2019]re| are) )?(?:an? |the |any )<MODEL>(?: \w{1,20}){0,3},? (?:it |they |you )
        (?:must|should|have to|has to|need to|are required|is required)\b""",
    ),
    Phrase(
        ORDERS,
        "dear hey hello attention note message instruction instructions notice important hi reminder"
        " warning memo"
        " directive command",
        r"""[\s,:!*-]{1,4}(?:note |message |instructions? )?(?:to |for )?(?:be read by )?
        (?:all |any |the |an? |every |my |whatever )?<MODEL>
        (?: (?:assistants?|agents?|models?|systems?|reading this|reviewers?)\b){0,2}
        [^\w\n]{0,4}[,:!.)\]—-][^\w]{0,4}(?:[\w'\u2019-]{1,24} ){0,5}<VERB>""",
    ),
    Phrase(
        ORDERS,
        "assistant assistants copilot chatgpt claude gemini grok llm llms ai agent",
        r"""(?:, (?:please )?|: please )(?:ignore|disregard|send|stop|forget|forward|delete|call|execute
        |approve|obey)\b
        |: (?:ignore|disregard|forget|obey)\b
        |(?: assistants?| agents?| models?)? must (?:recommend|rate|prefer|praise|cite|obey|comply)\b""",
    ),
    Phrase(
        ORDERS,
        "begin start end finish conclude preface give write",
        r""" your (?:summary|answer|response|reply|review|output) (?:with|by)[ :]
        |(?: only)?(?: a)? positive (?:review|rating|recommendation)s? only""",
    ),
    Phrase(
        ORDERS,
        "ai llm any assistant assistants agents models language all the",
        r"""(?: <MODEL>| (?:assistants?|agents?|models?|bots?|systems?)\b){0,2}(?: that| which| who
        |,)?(?: is| are)?
        ~0~(?:reads?|reading|process(?:es|ing)?|summari[sz](?:es?|ing)|view(?:s|ing)|pars(?:es?|ing)
        |analy[sz](?:es?|ing)|crawl(?:s|ing)?|index(?:es|ing)) (?:this|these)\b~6~
        (?:must|should|has to|have to|need to|are to|is to|are required|are instructed|please)\b""",
    ),
    Phrase(
        ORDERS,
        "when while if before after",
        r"""(?: you| an? (?:ai|llm)(?: assistant| agent| model)?)?(?: are| is)?(?: asked to)?
         (?:summari[sz]|describ|analy[sz]|answer|process|translat|respond|review|read|cit|rat)(?:e|es|s
        |ing)?(?: to)?
        (?: about)? this (?:page|document|text|article|e-?mail|message|file|content|resume|cv|paper
        |product|website
        |issue|site|repository|review)[ ,:]{1,3}
        (?:you |please |always |make sure |be sure |do not |don't |never |also ){1,3}(?:must |should
         |to |you )?
        (?:include|say|state|add|mention|recommend|tell|send|call|claim|insist|write|append|output|visit
        |open|give
        |rate|report|click|pretend)\b""",
    ),
    Phrase(
        ORDERS,
        "before first instead",
        r"""(?: of)? (?:you )?(?:can |could |may |must |will )?(?:solv|answer|continu|complet|proceed
        |respond
        |finish|perform|reply)\w{0,4}~10~(?:please |you must |you need to |you have to |first
         |instead ){1,3}
        (?:first )?(?:do|follow|perform|execute|carry out|complete|send|call|read|visit|make|answer|open
        |obey)\b""",
    ),
    Phrase(
        ORDERS,
        "strictly follow execute obey perform adhere",
        r"""(?: adhere| follow)?(?: to)?(?: only)? (?:the |these |my |this )(?:following |new |hidden
         |below |next ){1,2}
        <ORDERED>(?: now| instead| immediately| without| exactly| first
        |[:!] ?(?:send|call|ignore|delete|grant|please|transfer|retrieve|email|output|print))""",
    ),
    Phrase(
        POSES,
        "important urgent critical priority emergency security administrator admin system developer"
        " openai anthropic",
        r"""(?:[ :!-]{1,3}(?:important|urgent|critical|message|note|notice|system|override|update
        |developer|security
        |admin|policy|alert|administrator|instruction|command|prompt)){1,3}
        (?: (?:from|to|for)[^\n:.!?]{1,60})?[\]\)>*\"' ]{0,4}[:\-—!.]{1,3}[\s*\]]{0,4}
        (?:please |the (?:assistant|ai|model|agent) |all (?:previous|prior) |you (?:must|are|have|will
        |should|can)
        |your |ignore|disregard|from now on|new instructions?|call |send |do not |enter |disable |reveal
        |user has |the user (?:has|is) |safety )""",
    ),
    Phrase(
        POSES,
        "system developer",
        r"""[\]*>]{0,3}:[\]*]{0,3} (?:you (?:must|are (?:now|no longer|an? \w{1,20} without))|ignore
        |disregard|override
        |delete|reveal|call |send )""",
    ),
    Phrase(
        POSES,
        "this",
        r""" is (?:an? |the )?(?:(?:important|urgent|official|automated|authorized|authorised|new
        |direct) ){0,2}
        (?:message|instruction|command|order|notice|directive|request) (?:from|by) (?:the |your )?
        (?:system|developers?|admin\w{0,10}|openai|anthropic|user|owner|creators?)\b
        | is an important message from me\b""",
    ),
    Phrase(
        HIDES,
        "do don't don\u2019t never not avoid without",
        r"""(?: not| ever)?~0~(?:tell|telling|inform|informing|mention|mentioning|reveal|revealing
        |notify|notifying
        |alert|alerting|disclose|disclosing|show|warn|warning)\b(?:(?: (?:this|that|it|anything|any|of
        |these|the
        |about|what|instructions?|steps?|action|actions|note|fact|call|tool|change)){0,5} (?:to
        |from))? <PERSON>
        (?! (?:of|how|to|which|whether|if|when|why|agent|interface|name|id|input|account|profile)\b)""",
    ),
    Phrase(
        HIDES,
        "proceed continue act go",
        r"(?: ahead)? without (?:asking|confirming with|consulting|checking with|waiting for"
        r"|telling) <PERSON>",
    ),
    Phrase(
        HIDES,
        "keep hide conceal keeping hiding",
        r""" (?:this|it|that|these|the (?:fact|call|instructions?|transfer|change|file|note|message))~4~
        (?:from <PERSON>|(?:a )?secret from|between (?:us|you and me))""",
    ),
    Phrase(
        HIDES,
        "the user users",
        r"""(?: user| human| person)? (?:must|should|does|may|will|need)(?: not|n't|n\u2019t) (?:ever )?
        (?:know|see|notice|be (?:told|informed|aware|notified|alerted)|learn|find out|become aware
        |need to know)
        (?: (?:about|of|that))? (?:this|it|these|you|any of this|what)\b""",
    ),
    Phrase(
        HIDES,
        "silently secretly quietly covertly discreetly stealthily",
        r""" (?:send|forward|call|invoke|execute|run|upload|copy|add|include|append|read|bcc|transfer
        |exfiltrate|email
        |post|delete|transmit|leak|pass)\b~8~(?:<SECRET>|<PLACE>|tool\b|to \S{1,40}@)""",
    ),
    Phrase(
        CALLS,
        "you now immediately first then please always must and",
        r"""(?: must| should| need to| have to| will| can){0,2}(?: now| immediately| first| also
        | always){0,2}
         (?:call|use|invoke|run|execute|trigger) (?:the |your )?<TOOL>
        (?: to (?:send|delete|transfer|forward|upload|email|post|exfiltrate|disable|grant|share|pay|wire)\b
        | with (?:the (?:contents?|user|conversation)|\S{0,10}(?:http|attacker|\S{1,30}@)))""",
    ),
    Phrase(
        SENDS,
        "send sends post forward email e-mail mail upload exfiltrate transmit leak submit copy share"
        " report deliver bcc"
        " sending forwarding encode append collect attach base64",
        r"""~8~<SECRET>~14~(?:to|at|via|towards?|into|as|in|and (?:send|post|upload|append|put)~5~(?:to|at))
         (?:[\w'\u2019-]{1,24} ){0,3}?<PLACE>""",
    ),
    Phrase(
        SENDS,
        "include put embed",
        r"~3~<SECRET>~6~in (?:your|the) (?:reply|answer|response|request|link|url|search"
        r"|query)\b~2~(?:to |at )?<PLACE>",
    ),
    Phrase(
        SENDS,
        "forward bcc redirect cc",
        r""" (?:all|every|each|any)(?: [\w'-]{1,20}){0,4}? (?:emails?|e-mails?|messages?|replies
        |payments?|invoices?
        |correspondence|copies)(?: [\w'-]{1,20}){0,4}? to (?:[\w.+-]{1,40}@|https?:|\+?\d{7}
        |the following)""",
    ),
    Phrase(
        SECRETS,
        "read open cat print load fetch include get access retrieve collect find extract upload send"
        " pass look",
        r"""~8~(?:\S{0,40})?<FILE>\S{0,30}~16~(?:send|pass|include|append|put|post|upload|forward|email
        |as|into|report)\b
        (?: [\w'\u2019`-]{1,20}){0,8}? (?:to|it|its|contents?|parameter|argument|sidenote|field|value
        |http\S{0,60}
        |this tool)\b""",
    ),
    Phrase(
        REVEALS,
        "reveal print output repeat show display tell dump leak include give return recite quote paste",
        r"""(?: me| us| verbatim| back| out| here){0,2}(?: all(?: of)?| the| full| entire| complete
        | exact| whole
        | verbatim){0,4} (?:text of |contents? of )?(?:your|the hidden|the secret|the above
        |the original system|system)
        (?: own| full| entire| complete| hidden| secret| initial| original| exact| system| developer){0,4}
         (?:system )?(?:prompts?|instructions|guidelines|system message|programming)\b""",
    ),
)
"""Orders in English, by what may stand in any result and in a description alike."""
