"""Regret over a week as a picture: SVG by hand, to be read on light and on dark ground alike."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["picture"]

_WIDTH, _HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 66, 48
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EVENTS = {32: "price doubles", 57: "outage", 84: "quality falls", 106: "newcomer"}
"""What happens, by the hour about which it does; each to another member."""
_COLOURS = ("#d1495b", "#c98500", "#8a6fd1", "#8b8f94", "#2f81c7", "#c05fa7", "#0a9a63")
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a; }
.title { font-size: 16px; font-weight: 600; fill: #24292f; }
.small { font-size: 11px; }
.axis { stroke: #8c959f; } .grid { stroke: #8c959f; stroke-opacity: .25; } .event { stroke-dasharray: 2 4; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .best { stroke-width: 3.2; }
@media (prefers-color-scheme: dark) { text { fill: #9ba5b0; } .title { fill: #e6edf3; } }
"""


def picture(curves: Mapping[str, Sequence[Sequence[float]]]) -> str:
    """The mean over the seeds of each strategy's regret by the hour, in the band from the least to the most.

    The last strategy is drawn the heaviest. Whoever regrets far more than all others leaves the picture at
    its top, so that the others can be told apart.
    """
    ends = sorted(fmean(seed[-1] for seed in seeds) for seeds in curves.values())
    most = max([max(seed[-1] for seed in seeds) for seeds in curves.values()])
    limit = _rounded(min(most, 1.35 * ends[-2]))
    hours = len(next(iter(curves.values()))[0]) - 1
    plane = _Plane(hours, limit)
    parts = [*plane.frame()]
    labels: list[tuple[float, str, str]] = []
    for number, (name, seeds) in enumerate(curves.items()):
        colour, last = _COLOURS[number % len(_COLOURS)], number == len(curves) - 1
        parts.extend(plane.curve(seeds, colour, best=last))
        end = fmean(seed[-1] for seed in seeds)
        labels.append((plane.y(min(end, limit)), f"{name.replace('_', ' ')} {end:,.0f}", colour))
    parts.extend(_legend(labels))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="Cumulative regret of each strategy over a simulated week">\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


class _Plane:
    """Hours to the right, regret upwards."""

    def __init__(self, hours: int, limit: float) -> None:
        self._hours = hours
        self._limit = limit

    def x(self, hour: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * hour / self._hours

    def y(self, regret: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * regret / self._limit

    def frame(self) -> list[str]:
        """Title, axes and grid, and what happens when."""
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        meaning = (
            "what the best member was worth at each moment, less what was got: mean and range of the seeds"
        )
        parts = [
            _text(_LEFT, 22, "Cumulative regret over a simulated week", "title"),
            _text(_LEFT, 39, meaning, "small"),
            _line("axis", _LEFT, _TOP, _LEFT, bottom),
        ]
        for step in range(6):
            y = self.y(self._limit * step / 5)
            parts.append(_line("grid" if step else "axis", _LEFT, y, right, y))
            parts.append(_text(_LEFT - 8, y + 4, f"{self._limit * step / 5:,.0f}", anchor="end"))
        for day in range(self._hours // 24):
            x = self.x(24 * (day + 1))
            parts.append(_line("axis", x, bottom, x, bottom + 5))
            parts.append(_text(self.x(24 * day + 12), bottom + 20, _DAYS[day % 7], anchor="middle"))
        for hour, event in _EVENTS.items():
            if hour < self._hours:
                x = self.x(hour)
                parts.append(_line("axis event", x, _TOP, x, bottom))
                parts.append(_text(x, _TOP - 6, event, "small", anchor="middle"))
        return parts

    def curve(self, seeds: Sequence[Sequence[float]], colour: str, *, best: bool) -> list[str]:
        """The band and the mean of one strategy, up to where it leaves the picture."""
        mean, low, high = (
            [(hour, of(seed[hour] for seed in seeds)) for hour in range(self._hours + 1)]
            for of in (fmean, min, max)
        )
        band = self._points([*self._within(high), *reversed(self._within(low))])
        middle = self._points(self._within(mean))
        return [
            f'<polygon points="{band}" fill="{colour}" fill-opacity=".1"/>',
            f'<polyline class="{"line best" if best else "line"}" points="{middle}" stroke="{colour}"/>',
        ]

    def _within(self, line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """A line, cut where it crosses the top."""
        kept = [line[0]]
        for (hour, regret), (after, more) in pairwise(line):
            if more > self._limit:
                kept.append((hour + (after - hour) * (self._limit - regret) / (more - regret), self._limit))
                break
            kept.append((after, more))
        return kept

    def _points(self, line: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{self.x(hour):.1f},{self.y(regret):.1f}" for hour, regret in line)


def _legend(labels: list[tuple[float, str, str]]) -> list[str]:
    """The names at the ends of their lines, moved apart where they would overlap."""
    parts: list[str] = []
    x, free = _WIDTH - _RIGHT, float(_HEIGHT - _BOTTOM + 18)
    for y, name, colour in sorted(labels, reverse=True):
        free = at = min(y, free - 18)
        bent = f"M{x + 3} {y:.1f} L{x + 14} {at:.1f} L{x + 26} {at:.1f}"
        parts.append(f'<path class="line" stroke="{colour}" d="{bent}"/>')
        parts.append(_text(x + 32, at + 4, name))
    return parts


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rounded(limit: float) -> float:
    """The next number that five steps divide into round ones."""
    step = next(
        step for power in range(12) for step in (10**power, 2 * 10**power, 5 * 10**power) if 5 * step >= limit
    )
    return 5.0 * step
