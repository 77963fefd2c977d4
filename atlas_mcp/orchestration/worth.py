"""What an output shows beside its evidence, and what it is worth, by the kind of its team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_mcp.orchestration import chain
from atlas_mcp.orchestration.computed import computed
from atlas_mcp.orchestration.versions import rated_by_measures, rated_by_team

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.orchestration.evidence import Evidence
    from atlas_mcp.orchestration.state import State
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.orchestration.versions import Rated
    from atlas_mcp.quality.measured import Measures

__all__ = ["remembered_in", "worth"]


def worth(
    team: Team, state: State, found: Evidence, measures: Measures
) -> tuple[dict[str, Any], Rated | None]:
    """What a team of this kind computes beside its evidence, and what its output is worth, if it is rated."""
    assignments, results, quality = state["assignments"], state["results"], team.quality
    reasons = [
        f"{each.where}: {each.quote!r}: {each.reason}" for part in measures.parts for each in part.reasons
    ]
    by_measures = rated_by_measures(measures.score, quality.minimum, reasons) if quality else None
    more: dict[str, Any] = {"numbers": computed(found), "remembered": remembered_in(state)}
    if not team.teams:
        return more, by_measures
    ratings = chain.ratings(assignments, results)
    more |= {
        "evidence_chain": chain.evidence_chain(assignments, results, found, state.get("draft", {})),
        "analysis_summary": chain.analysis_summary(team, assignments, found),
        "ratings": ratings,
    }
    rating = chain.last_rating(ratings, chain.final_product(team, assignments, results, found))
    return more, rated_by_team(rating) if rating else by_measures


def remembered_in(state: State) -> list[dict[str, Any]]:
    """What was recalled in a run, for its supervisor first, then for its workers; each once."""
    parts: list[Sequence[Mapping[str, Any]]] = [state.get("memory", {}).get("items", ())]
    parts += [
        state["results"][each["id"]].get("remembered", ())
        for each in state["assignments"]
        if each["id"] in state["results"]
    ]
    return list({each["id"]: dict(each) for part in parts for each in part}.values())
