"""Which trade does which kind of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.messages import TaskType
from atlas_mcp.orchestration.trades.analysing import Analysing
from atlas_mcp.orchestration.trades.drafting import Drafting
from atlas_mcp.orchestration.trades.gathering import Gathering

if TYPE_CHECKING:
    from atlas_mcp.orchestration.trades.trade import Trade

__all__ = ["trade_of"]

_GATHERING: Trade = Gathering()
_TRADES: dict[TaskType, Trade] = {
    TaskType.ANALYSIS: Analysing(),
    TaskType.REASONING: Analysing(),
    TaskType.WRITING: Drafting(),
    TaskType.SUMMARISING: Drafting(),
}


def trade_of(task: TaskType) -> Trade:
    """The trade for a kind of work; whoever does none of the others gathers."""
    return _TRADES.get(task, _GATHERING)
