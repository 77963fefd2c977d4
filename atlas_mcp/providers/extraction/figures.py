"""Lines of computed results: how near they are to a question, by what was computed and of which column.

A line such as `mean(revenue) of sales.csv = 12.4 (from 37 rows)` has few words, none of them the asker's. It
is told by the column it is of, and by what people call the function. The words are English.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.text.words import stems

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["asks_for", "is_trend", "names_column"]

_EXPRESSION = re.compile(r"(?P<function>[A-Za-z_ ]+?)\((?P<of>.*?)\)(?: from .*?)? of ")
_WHERE = re.compile(r" where (?P<column>.+?) is (?P<value>.+)$")
_OUTLIER = re.compile(r"^outlier (?P<of>.+?) of ")
_COUNTED = re.compile(r"^rows of ")

_GOES = r"trends?|grow\w*|grew|develop\w*|over time"
_MOVES = rf"{_GOES}|chang\w+|increas\w+|decreas\w+|fell|rose|declin\w+"
_CALLED = {
    name: re.compile(rf"\b(?:{cues})\b", re.IGNORECASE)
    for name, cues in {
        "mean": r"average|mean|typical(?:ly)?|on average|expected",
        "median": r"median|middle|typical(?:ly)?",
        "sum": r"total|sum|overall|altogether|how much|in all|combined",
        "count": r"how many|number of|count|rows|entries|records",
        "rows": r"how many|number of|count|rows|entries|records|share|most|how often",
        "distinct": r"how many (?:different|distinct|kinds)|distinct|different|kinds of|categories",
        "min": r"lowest|smallest|least|minimum|min|cheapest|worst|weakest|fewest",
        "max": r"highest|largest|biggest|most|maximum|max|best|strongest|top|greatest",
        "stdev": r"spread|varia\w+|vary|varies|deviation|volatil\w+|stable|consistent",
        "lower quartile": r"quartiles?|range|spread|distribut\w+",
        "upper quartile": r"quartiles?|range|spread|distribut\w+",
        "outliers": r"outliers?|unusual|anomal\w+|extreme|odd",
        "correlation": r"correlat\w+|relat\w+|depend\w*|linked|go(?:es)? with|drives?|affects?|influenc\w+",
        "slope": rf"{_GOES}|per (?:day|month|year|week)|rate",
        "r_squared": r"trends?|how steady|fit",
        "change": _MOVES,
        "percent_change": rf"{_MOVES}|percent",
        "cagr": rf"{_GOES}|yearly|per year|annual\w*|cagr",
        "first": r"first|begin\w*|start\w*|initial\w*|from",
        "last": r"last|latest|current\w*|now|end\w*|final\w*|recent\w*",
        "earliest": r"earliest|first|since when|begin\w*|start\w*|period|when",
        "latest": r"latest|last|until when|recent\w*|end\w*|period|when",
    }.items()
}
"""What people call that which is computed, by the name it is computed under."""

_TRENDS = frozenset({"slope", "change", "percent_change", "cagr"})


def _function(computed: str) -> str:
    if _COUNTED.match(computed):
        return "rows"
    match = _EXPRESSION.match(computed)
    name = match["function"].strip().lower() if match else computed.split("(", 1)[0].strip().lower()
    return "outliers" if name.startswith("outlier ") else name


def is_trend(computed: str) -> bool:
    """Whether a result says how something went."""
    return _function(computed) in _TRENDS


def asks_for(question: str, computed: str) -> bool:
    """Whether a question calls for what was computed, whatever it was computed of."""
    called = _CALLED.get(_function(computed))
    return called is not None and called.search(question) is not None


def names_column(asked: Collection[str], computed: str) -> float:
    """How much of the column and of the group that a result is of stands among the stems `asked`, 0 to 1."""
    match = _EXPRESSION.match(computed) or _OUTLIER.match(computed)
    where = _WHERE.search(computed)
    column = [_share(asked, match["of"].split(" per ")[0])] if match else []
    group = [max(_share(asked, where["column"]), _share(asked, where["value"]))] if where else []
    shares = [*column, *group]
    return 0.7 * max(shares) + 0.3 * min(shares) if shares else 0.0


def _share(asked: Collection[str], name: str) -> float:
    words = set(stems(name.replace("_", " ")))
    return len(words.intersection(asked)) / len(words) if words else 0.0
