"""How a judge is asked and its answer taken: criterion by criterion, evidence and reason before the verdict.

It knows criteria and texts, and no provider: who judges is chosen from names and vendors alone. A judge sees
the work and the quotes it cites, as material that is data; never whole sources, and never who wrote it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from atlas_mcp.messages import Draft, Material
from atlas_mcp.text.verbatim import locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from atlas_mcp.messages import Finding
    from atlas_mcp.quality.rubric import Criterion

__all__ = [
    "MET",
    "Bench",
    "Candidate",
    "Judgement",
    "check_judgements",
    "choose_judges",
    "judge_material",
    "judge_schema",
    "judge_text",
    "judgements",
]

MET = {"yes": 1.0, "partly": 0.5, "no": 0.0}
"""What a judge may say, and how far it means that a criterion is met."""

_LONGEST_QUOTE = 600
_LONGEST_RATIONALE = 800

_ASK = """\
Below is a piece of work{task}. Judge it by the criteria, one after the other, in their order. Each is a
question of its own: answer it from the work alone, without regard to the others, to how long the work is, or
to how well it is put.

For each criterion first copy the sentence of the work that decides it, exactly; null if the question is of
the whole, or of something that is not there. Then say in a sentence or two what that shows. Only then say
whether the criterion is met: yes, partly or no. Partly is for what is there in part, not for doubt; in doubt
it is no.

Some criteria ask for something bad, and have negative points: there, too, yes says that what is asked is so.
"""

_QUOTES = """
The work cites findings by marks such as [f2]. They stand below it, and are all that is known of the sources:
what they do not say is not supported, however true it may be."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one judge says of one criterion: how far it is `met` (0 to 1), and why.

    `evidence` is a verbatim quote from the work, or empty; `judge` is `provider:model`.
    """

    criterion: str
    met: float
    rationale: str
    judge: str
    evidence: str = ""


class Candidate(Protocol):
    """Somebody who might judge, as a provider describes itself."""

    @property
    def name(self) -> str:
        """Who it is: `vendor:model`."""
        ...

    @property
    def vendor(self) -> str:
        """Whose models it has; what one vendor makes counts as one family."""
        ...

    @property
    def judges(self) -> bool:
        """Whether it can judge at all."""
        ...


@dataclass(frozen=True, slots=True)
class Bench:
    """The names of those who judge, and what has to be said of the choice; empty where nothing has."""

    judges: tuple[str, ...]
    note: str = ""


def choose_judges(writers: AbstractSet[str], available: Iterable[Candidate], number: int = 1) -> Bench:
    """At most `number` judges, of another vendor than the `writers` first, and each of a vendor of its own.

    Where that cannot be, the note says so. What is no language model does not judge; the order of `available`
    decides among equals.
    """
    open_to = {each.name: each.vendor for each in available if each.judges}
    chosen: dict[str, str] = {}
    while open_to and len(chosen) < number:
        taken = set(chosen.values())
        name = min(open_to, key=lambda each: (open_to[each] in writers, open_to[each] in taken))
        chosen[name] = open_to.pop(name)
    return Bench(tuple(chosen), _said_of(chosen, writers, number))


def _said_of(chosen: Mapping[str, str], writers: AbstractSet[str], number: int) -> str:
    if not chosen:
        return "nobody can judge: no language model is configured"
    notes: list[str] = []
    if akin := [name for name, vendor in chosen.items() if vendor in writers]:
        every = "every judge is" if len(akin) == len(chosen) else f"{', '.join(akin)} is"
        notes.append(f"{every} of the writer's own family, which judges leniently; there is no other")
    if len(chosen) < number:
        notes.append(f"{len(chosen)} of {number} judges: there are no more")
    return "; ".join(notes)


def judge_schema(criteria: Sequence[Criterion]) -> dict[str, Any]:
    """The shape of a judge's answer; the order of its keys is the order in which they are written."""
    return {
        "type": "object",
        "required": ["criteria"],
        "additionalProperties": False,
        "properties": {
            "criteria": {
                "type": "array",
                "minItems": len(criteria),
                "maxItems": len(criteria),
                "description": "Every criterion once, in the order of the list.",
                "items": {
                    "type": "object",
                    "required": ["name", "evidence", "rationale", "met"],
                    "additionalProperties": False,
                    "properties": {
                        "name": {"type": "string", "enum": [each.name for each in criteria]},
                        "evidence": {
                            "type": ["string", "null"],
                            "maxLength": _LONGEST_QUOTE,
                            "description": "The deciding sentence of the work, copied exactly; or null.",
                        },
                        "rationale": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": _LONGEST_RATIONALE,
                            "description": "What the evidence shows, and what would have to change.",
                        },
                        "met": {"type": "string", "enum": list(MET)},
                    },
                },
            }
        },
    }


def judge_text(criteria: Sequence[Criterion], *, task: str = "", cites: bool = False) -> str:
    """How a judge is asked; the work itself goes beside it, as `judge_material`.

    `task` is what the work was to do; `cites` says that it cites findings, which the material then holds.
    """
    listed = "\n".join(
        f"- {each.name}: {each.question}{'' if each.points > 0 else ' (negative points)'}"
        if each.question != each.name
        else f"- {each.name}{'' if each.points > 0 else ' (negative points)'}"
        for each in criteria
    )
    asked = f'. It was to do this: "{" ".join(task.split())}"' if task.strip() else ""
    return f"{_ASK.format(task=asked)}{_QUOTES if cites else ''}\nThe criteria:\n{listed}"


def judge_material(work: str, findings: Iterable[Finding] = ()) -> Material:
    """The work and the findings that it cites, as a prompt's material; who wrote the work is not in it."""
    return Material(
        findings=tuple(each for each in findings if _cites(work, each.id)),
        drafts=(Draft("work", "work", work),),
    )


def _cites(work: str, name: str) -> bool:
    return any(f"{before}{name}{after}" in work for before in "[, " for after in "],")


def check_judgements(criteria: Sequence[Criterion], answer: Mapping[str, Any], work: str) -> list[str]:
    """What to tell a judge whose answer fits the schema and still cannot be used; empty when it can.

    Every criterion is answered once, what is given as evidence stands in the work, and what is said to be bad
    is shown.
    """
    given = answer["criteria"]
    names = [each["name"] for each in given]
    known = {each.name: each for each in criteria}
    problems = [f"$.criteria does not answer {name!r}." for name in known if name not in names]
    for number, each in enumerate(given):
        place = f"$.criteria[{number}]"
        if each["name"] in names[:number]:
            problems.append(f"{place} answers {each['name']!r} again; answer each criterion once.")
        if (evidence := each["evidence"]) and locate(evidence, work) is None:
            problems.append(
                f"{place}.evidence is not verbatim in the work: {evidence[:120]!r}."
                " Copy a sentence exactly, or write null."
            )
        criterion = known.get(each["name"])
        if criterion and criterion.points < 0 and each["met"] != "no" and not evidence:
            problems.append(f"{place} says that {criterion.name!r} is so and shows no sentence for it.")
    return problems


def judgements(answer: Mapping[str, Any], judge: str, work: str) -> list[Judgement]:
    """A judge's answer as judgements: the first of each criterion, evidence only if it is in the work."""
    made: dict[str, Judgement] = {}
    for each in answer["criteria"]:
        evidence = each["evidence"] or ""
        shown = evidence if evidence and locate(evidence, work) else ""
        made.setdefault(
            each["name"], Judgement(each["name"], MET[each["met"]], each["rationale"], judge, shown)
        )
    return list(made.values())
