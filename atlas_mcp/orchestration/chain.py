"""What a team of teams shows beside its evidence: the final product, and the way from it to the sources."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.evidence import marks_in
from atlas_mcp.orchestration.gate import resting
from atlas_mcp.quality.statements import SAID_BEFORE
from atlas_mcp.text.sentences import sentences
from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_mcp.messages import Draft
    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.team import Team

__all__ = [
    "analysis_summary", "evidence_chain", "final_product", "last_rating", "ratings", "whole_product",
]  # fmt: skip

_PRODUCTS = ("final_output", "document", "answer", "summary")
"""Where an output has what the team made, best first."""

_STATEMENTS = "\n\n## "
"""What stands in the product of an analysis between its summary and each kind of statement."""


def whole_product(output: Mapping[str, Any]) -> str:
    """What a team made, as Markdown; a summary comes with the statements that it does not say itself.

    Statements stand by their kind, each with its marks in the output's own numbers.
    """
    whole = next((text for name in _PRODUCTS if (text := output.get(name))), "")
    if not whole or whole != output.get("summary"):
        return whole
    told = [frozenset(stems(each.text)) for each in sentences(whole)]
    kinds: dict[str, list[str]] = {}
    for kind, text, ids in _stated(output):
        words = frozenset(stems(text))
        if not any(len(words & each) >= SAID_BEFORE * len(words | each) for each in told):
            kinds.setdefault(kind, []).append(f"- {text} [{', '.join(ids)}]")
    return whole + "".join(
        f"{_STATEMENTS}{kind.capitalize()}\n\n" + "\n".join(lines) for kind, lines in kinds.items()
    )


def _stated(output: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """What an analysis states: kind, text, ids."""
    for each in resting(output, "findings"):
        yield each.get("kind") or "finding", each["statement"], each["evidence"]
    for each in output.get("contradictions", ()):
        if each.get("text"):
            yield "contradiction", each["text"], each["finding_ids"]


def final_product(
    team: Team,
    assignments: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]],
    found: Evidence,
) -> Draft | None:
    """The whole that one worker made and no other went on from; None where there are none or several.

    Only a team whose output has a `final_output` hands on what another made as its own.
    """
    if "final_output" not in team.output_schema["properties"]:
        return None
    made = [
        each for each in assignments
        if results.get(each["id"], {}).get("ok") and _task(team, each) is not TaskType.RATING
        and _product_of(each["id"], found)
    ]  # fmt: skip
    used = {name for each in made for name in each["after"]}
    # Versions of one thing are told by who made them and what for; the newest stands for it.
    last = list({(each["worker"], each["goal"]): each for each in made if each["id"] not in used}.values())
    return _product_of(last[0]["id"], found) if len(last) == 1 else None


def _product_of(identity: str, found: Evidence) -> Draft | None:
    return next(
        (each for each in found.drafts if each.kind == "work" and each.id.startswith(f"{identity}.")), None
    )


def _task(team: Team, assignment: Mapping[str, Any]) -> TaskType | None:
    return team.task_of(assignment["worker"]) if assignment["worker"] in team.workers else None


def analysis_summary(team: Team, assignments: Sequence[Mapping[str, Any]], found: Evidence) -> str | None:
    """What the last analysis says in short, its marks in this run's numbers; None without one."""
    made = (_product_of(each["id"], found) for each in reversed(assignments)
            if _task(team, each) is TaskType.ANALYSIS)  # fmt: skip
    return next((draft.text.partition(_STATEMENTS)[0] for draft in made if draft), None)


def ratings(
    assignments: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Every rating that a team gave, in order, each with the assignment whose work it speaks of."""
    return [
        {
            "assignment": each["id"],
            "of": result.get("of", ""),
            "partial": result["partial"],
            **result["rating"],
        }
        for each in assignments
        if (result := results.get(each["id"])) and result["ok"] and result.get("rating")
    ]


def last_rating(ratings: Sequence[dict[str, Any]], product: Draft | None) -> dict[str, Any] | None:
    """What was said last of the `product` of one worker; what was said last, where it is nobody's alone.

    A version may have failed to be made, and its rating have been given another worker's text.
    """
    made = product.id.rpartition(".")[0] if product else None
    return next((each for each in reversed(ratings) if made in {None, each["of"]}), None)


def evidence_chain(
    assignments: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]],
    found: Evidence,
    draft: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Each finding: what it says and where, who found it, whose work it went through, whether it is cited."""
    cited = marks_in(str(draft.get("final_output") or ""))
    chain: list[dict[str, Any]] = []
    for finding, raw in zip(found.findings, found.raw, strict=True):
        source = found.sources[finding.source_id]
        through = [
            f"{each['worker']}#{each['id']}" for each in assignments
            if any(
                one["quote"] == raw["quote"] and one["source"]["sha256"] == source.sha256
                for one in results.get(each["id"], {}).get("findings", ())
            )
        ]  # fmt: skip
        location = {key: value for key, value in asdict(finding.location).items() if value is not None}
        chain.append({
            "id": finding.id, "quote": finding.quote, "source": source.uri, "title": source.title,
            "location": location, "found_by": finding.worker, "through": through,
            "cited": finding.id in cited,
        })  # fmt: skip
    return chain
