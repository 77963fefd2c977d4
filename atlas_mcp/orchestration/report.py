"""A team's output as Markdown that reads well: the answer first, then what carries it.

Rendered from the output alone; nobody is asked to write it. Quotes are shown as they stand in their source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from atlas_mcp.observe.sentences import counted, shortened
from atlas_mcp.orchestration.gate import resting
from atlas_mcp.quality.texts import MEASURE_TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.orchestration.team import Team

__all__ = ["LONGEST", "Unread", "written"]

LONGEST = 20_000
"""Bytes that a report may have; of a longer one the middle is left out, so that the sources stay."""

_LONGEST_TITLE = 200
_LONGEST_MEMORY = 300
_FAULTS = 5
_SHORTENED = "*(shortened; the run's evidence has the rest)*"

_SPACE = re.compile(r"\s+")
_LOADS = re.compile(
    r"!(?=\[)|<(?=/?(?:img|script|iframe|object|embed|link|style|svg|video|audio|meta|base|form|input)\b)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"^(#{1,5}\s)", re.MULTILINE)
_STEERS_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_STEERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a terminal, by escape sequences
_NO_WORD = re.compile(r"\]\([^)]*\)|\b\d+\.\s|[^\w]|_")  # link targets, numbers of list items, markup


@dataclass(frozen=True, slots=True)
class Unread:
    """How many documents could not be read, the names of the first, and the run that tells why."""

    count: int = 0
    names: tuple[str, ...] = ()
    run_id: str = ""

    def __str__(self) -> str:
        said = f"{counted(self.count, 'document')} could not be read"
        if self.names:
            shown = [_line(name).replace("`", "'") for name in self.names]
            said += ": " + ", ".join(f"`{name}`" for name in shown)
            said += f" and {more:,} more" if (more := self.count - len(self.names)) > 0 else ""
        return f"{said}. Why: `atlas-mcp runs show {self.run_id}`." if self.run_id else f"{said}."


_ALL_READ = Unread()


def written(
    team: Team, given: Mapping[str, Any], output: Mapping[str, Any], *, partial: bool,
    unread: Unread = _ALL_READ,
) -> str:  # fmt: skip
    """The report of an output, under 20 KB; it says which documents could not be read."""
    title = _line(str(next(iter(given.values()))))
    if "gate" in output:
        title = f"Rating: {_line(str(given.get('task') or title))}"
    if len(title) > _LONGEST_TITLE:
        title = f"{title[:_LONGEST_TITLE]}…"
    warning = "> **Partial.** A limit was reached or workers failed; this is what there is."
    head = [f"# {title}", warning if partial else "", *_product(output)]
    body = [
        _claims(output),
        _statements(output),
        *_own_lists(output),
        _disagreements(output),
        _numbers(output),
        _criteria(output),
        _listed("What to mend", [_mending(each) for each in output.get("revise", [])]),
        _listed("Ratings", [_rating(each) for each in output.get("ratings", [])]),
        _listed("Open questions", output.get("open_questions", [])),
        _listed("What was remembered", [_remembered(each) for each in output.get("remembered", [])]),
        _listed("Limits", output.get("limits", [])),
        _listed(
            "Not supported", [f"{each['text']} ({each['reason']})" for each in output.get("unsupported", [])]
        ),
    ]
    tail = [_sources(output), _measured(output), _made_with(team, output, unread)]
    text = _joined([*head, *body, *tail])
    if len(text.encode()) <= LONGEST:
        return text
    room = LONGEST - len(_joined([*head, "…", _SHORTENED, *tail]).encode())
    return _cut(_joined([*head, _cut(_joined(body), room), _SHORTENED, *tail]), LONGEST)


def _product(output: Mapping[str, Any]) -> list[str]:
    """What the team made, as it is to be read first."""
    if "gate" in output:
        return [_verdict(output)]
    whole = output.get("final_output") or output.get("document")
    if whole:
        # Markdown of its own, its headings below the report's.
        return [_STEERS_BUT_LINES.sub("\N{REPLACEMENT CHARACTER}", _HEADING.sub(r"#\1", whole.strip()))]
    framework = output.get("framework")
    told = _line(output.get("answer") or output.get("summary") or "")
    return [f"*Framework: {_line(framework).replace('_', ' ')}*" if framework else "", told]


def _verdict(output: Mapping[str, Any]) -> str:
    scores = (
        f"{name} {output[name]:.1f}" if output.get(name) is not None else f"{name} not scored"
        for name in ("overall", "truth", "quality")
    )
    judges = ", ".join(output.get("judges", []))
    agreed = output.get("agreement")
    lines = [
        f"**{output['gate'].capitalize()}**: {', '.join(scores)} (of 5).",
        _line(output.get("why") or ""),
    ]
    if judges:
        lines.append(f"Judged by {judges}" + (f", who agree on {agreed:.0%}." if agreed is not None else "."))
    return "  \n".join(line for line in lines if line)


def _statements(output: Mapping[str, Any]) -> str:
    """What an analysis found, by kind; each with how sure it is and what it rests on."""
    lines: list[str] = []
    for each in resting(output, "findings"):
        sure = f" ({each['confidence']:.0%} sure)" if each.get("confidence") is not None else ""
        kind = f"**{_line(str(each['kind']))}**: " if each.get("kind") else ""
        lines.append(f"{kind}{_line(each['statement'])} {_marks(each['evidence'])}{sure}")
    return _listed("Findings", lines)


def _own_lists(output: Mapping[str, Any]) -> list[str]:
    """The lists of a team's own whose items rest on findings, each with whatever else its items say."""
    known = {"claims", "findings", "disagreements", "contradictions"}
    parts: list[str] = []
    for name in output:
        if name in known or not (items := resting(output, name)):
            continue
        lines: list[str] = []
        for each in items:
            told = ((key, value) for key, value in each.items() if key not in {"text", "finding_ids", "id"})
            more = [f"{key}: {value}" for key, value in told if isinstance(value, str | int | float)]
            beside = f" ({', '.join(more)})" if more else ""
            lines.append(f"{each['text']}{beside} {_marks(each['finding_ids'])}")
        parts.append(_listed(name.replace("_", " ").capitalize(), lines))
    return parts


def _numbers(output: Mapping[str, Any]) -> str:
    return _listed(
        "Computed",
        [f"{each['expression']} = {each['value']}" + (
            f" (from {', '.join(map(str, each['inputs']))})" if each.get("inputs") else ""
        ) for each in output.get("numbers", [])],
    )  # fmt: skip


def _criteria(output: Mapping[str, Any]) -> str:
    rows = [
        f"| {_cell(each['name'])} | {each['score']:.1f} | {each['points']:g} | {_cell(each['rationale'])} |"
        for each in output.get("criteria", [])
    ]
    head = "## Criteria\n\n| criterion | of 5 | points | why |\n|---|---|---|---|\n"
    return head + "\n".join(rows) if rows else ""


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def _mending(each: Mapping[str, Any]) -> str:
    quote = f"“{each['quote']}”: " if each.get("quote") else ""
    return f"{each['where']}: {quote}{each['reason']}"


def _rating(each: Mapping[str, Any]) -> str:
    parts = [
        f"{name} {each[name]:.1f}" for name in ("overall", "truth", "quality") if each.get(name) is not None
    ]
    return f"{each.get('of') or 'the work'}: {each['gate']}, {', '.join(parts) or 'not scored'}"


def _remembered(each: Mapping[str, Any]) -> str:
    return f"{shortened(each['text'], _LONGEST_MEMORY)} ({each['kind']} `{each['id']}`, {each['about']})"


def _joined(sections: list[str]) -> str:
    return "\n\n".join(section for section in sections if section) + "\n"


def _cut(text: str, most: int) -> str:
    """Whole lines from the start of a text, of at most `most` bytes."""
    if len(text.encode()) <= most:
        return text
    return text.encode()[: max(0, most - 1)].decode(errors="ignore").rpartition("\n")[0] + "\n"


def _claims(output: Mapping[str, Any]) -> str:
    claims = output.get("claims", [])
    if not claims:
        return ""
    findings = {finding["id"]: finding for finding in _evidence(output)}
    sources = {source["id"]: source for source in output["sources"]}
    blocks: list[str] = []
    shown: set[str] = set()
    for number, claim in enumerate(claims, start=1):
        new = [findings[name] for name in claim["finding_ids"] if name in findings and name not in shown]
        shown.update(finding["id"] for finding in new)
        if new and _bare(new[0]["quote"]) == _bare(claim["text"]):
            # The claim is its quote: shown once, as it stands in the source.
            lines = [f"{number}. “{_line(new[0]['quote'])}”", f"   — {_place(new[0], sources)}"]
            new = new[1:]
        else:
            lines = [f"{number}. **{_line(claim['text'])}** {_marks(claim['finding_ids'])}"]
        lines += [f"   > “{_line(each['quote'])}”\n   > — {_place(each, sources)}" for each in new]
        blocks.append("\n".join(lines))
    return "## Findings\n\n" + "\n\n".join(blocks)


def _evidence(output: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The quotes; a team that says something else by `findings` has them as `evidence` alone."""
    return output["evidence"] if "evidence" in output else output.get("findings", [])


def _bare(text: str) -> str:
    """A text without markup, white space and case, to tell whether two say the same words."""
    return _NO_WORD.sub("", text).lower()


def _place(finding: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str:
    location = finding["location"]
    where = [f"*{_line(sources[finding['source_id']]['title'])}* ({finding['source_id']})"]
    if location.get("heading"):
        where.append(_line(location["heading"]))
    if location.get("page"):
        where.append(f"page {location['page']}")
    return f"[{finding['id']}] {', '.join(where)}"


def _disagreements(output: Mapping[str, Any]) -> str:
    return _listed(
        "Disagreements",
        [
            f"{each.get('text') or 'These may contradict one another:'} {_marks(each['finding_ids'])}"
            for each in (*output.get("disagreements", []), *output.get("contradictions", []))
        ],
    )


def _sources(output: Mapping[str, Any]) -> str:
    cited = {finding["source_id"] for finding in _evidence(output)}
    return _listed(
        "Sources",
        [
            f"**{source['id']}** {_line(source['title'])}: `{source['uri']}`, {source['retrieved_at']:.10}"
            for source in output.get("sources", [])
            if source["id"] in cited
        ],
    )


def _measured(output: Mapping[str, Any]) -> str:
    """The librarian's figures in a few lines; the whole of them is in the output."""
    measures = output.get("measures")
    if not measures or measures["score"] is None:
        return ""
    parts = measures["parts"]
    figures = ", ".join(f"{_named(part)} {part['share']:.0%}" for part in parts if part["applies"])
    absent = [_named(part) for part in parts if not part["applies"]]
    faults = [each for part in parts for each in part["reasons"]]
    lines = [f"From words and numbers alone, which do not tell what is true: {figures}."]
    lines += [f"{each['where']}: “{each['quote']}”: {each['reason']}" for each in faults[:_FAULTS]]
    lines += [f"Not applicable: {', '.join(absent)}."] if absent else []
    return _listed(f"Measured: {measures['score']:.1f} of 5", lines)


def _named(part: Mapping[str, Any]) -> str:
    return MEASURE_TITLES[part["name"]]


def _made_with(team: Team, output: Mapping[str, Any], unread: Unread) -> str:
    made = output["made_with"]
    parts = [f"Confidence {output['confidence']:.2f}."] if "confidence" in output else []
    parts.append(
        f"Made by the {team.name} team with {', '.join(made['models'])} ({', '.join(made['providers'])})."
    )
    if note := made.get("note"):
        parts.append(note)
    if unread.count:
        parts.append(str(unread))
    parts.append(f"Run `{output['run_id']}`.")
    return "---\n\n" + " ".join(parts)


def _listed(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {_line(line)}" for line in lines) if lines else ""


def _marks(ids: list[str]) -> str:
    return f"[{', '.join(ids)}]"


def _line(text: str) -> str:
    """A text on one line; what would load from elsewhere or steer a terminal when shown is disarmed."""
    shown = _STEERS.sub("\N{REPLACEMENT CHARACTER}", _SPACE.sub(" ", text).strip())
    return _LOADS.sub(lambda found: "\\" + found[0], shown)
