"""A run's events as a self-contained SVG picture of who did what, what was decided, and what came of it.

It shows what the Mermaid chart shows, laid out here, so that whoever looks at it needs nothing but a browser.
Colours follow the reader's light or dark mode; what they say is said in words, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from atlas_mcp.observe.pictures.course import Shape, Tone, course
from atlas_mcp.observe.pictures.layout import lay_out
from atlas_mcp.observe.pictures.lettering import balanced, drawable, width, wrapped
from atlas_mcp.observe.pictures.style import BOLD, FONTS, STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from atlas_mcp.events import Event
    from atlas_mcp.observe.pictures.course import Node
    from atlas_mcp.observe.pictures.layout import Laid, Point, Route

__all__ = ["picture_svg"]

_BOLDER = 1.12
"""How much wider bold letters are."""
_MOST = {Shape.END: 340.0, Shape.WORK: 262.0, Shape.TEAM: 262.0, Shape.DECISION: 190.0}
"""How wide a line is at most."""
_USUAL = 220.0
_ASIDE = {Shape.END: 22.0, Shape.DOCUMENTS: 26.0, Shape.TEAM: 18.0}
"""Room beside the text."""
_ABOVE = {Shape.MEMORY: 20.0}
_LEAST = 120.0
_CARDS = frozenset({Shape.WORK, Shape.TEAM})
_ROUND, _SLANT, _LID, _RIB, _TIP = 8.0, 12.0, 6.0, 5.0, 8.0
_FLATTEST, _WIDEST = 1.3, 2.6


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of text, the middle of its height counted from the middle of its box."""

    text: str
    tone: Tone
    y: float

    @property
    def width(self) -> float:
        return width(self.text, FONTS[self.tone][0]) * _bolder(self.tone)


@dataclass(frozen=True, slots=True)
class _Box:
    node: Node
    texts: Sequence[_Text]
    width: float
    height: float


def picture_svg(events: Iterable[Event]) -> str:
    """The SVG text of a run, as far as its events go; the same events give the same text."""
    events = list(events)
    nodes = course(events)
    boxes = {node.name: _box(node) for node in nodes}
    dotted = {(upper, node.name) for node in nodes for upper in node.earlier}
    edges = [(upper, node.name) for node in nodes for upper in (*node.after, *node.earlier)]
    laid = lay_out({name: (box.width, box.height) for name, box in boxes.items()}, edges)
    asked = nodes[0].lines[0][0] if nodes[0].lines else ""
    return _document(_title(events[0].run_id if events else "", asked), laid, boxes, dotted)


def _title(run_id: str, asked: str) -> str:
    return ": ".join(part for part in (drawable(f"Run {run_id}"), drawable(asked)) if part)


def _document(title: str, laid: Laid, boxes: dict[str, _Box], dotted: set[tuple[str, str]]) -> str:
    wide, high = f"{laid.width:.0f}", f"{laid.height:.0f}"
    size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="atlas-run" role="img" {size}>',
        f"<title>{escape(title, quote=False)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{wide}" height="{high}"/>',
    ]
    lines += [_line(route, dotted=route.edge in dotted) for route in laid.routes]
    for name, box in boxes.items():
        lines += _drawn(box, laid.places[name])
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bolder(tone: Tone) -> float:
    return _BOLDER if tone in BOLD else 1.0


def _box(node: Node) -> _Box:
    most = _MOST.get(node.shape, _USUAL)
    said: list[tuple[str, Tone]] = []
    for line, tone in node.lines:
        fitting, broken = most / _bolder(tone), wrapped if node.shape in _CARDS else balanced
        said += [(each, tone) for each in broken(drawable(line), FONTS[tone][0], fitting)]
    high = sum(FONTS[tone][1] for _, tone in said)
    texts: list[_Text] = []
    y = -high / 2
    for line, tone in said:
        texts.append(_Text(line, tone, y + FONTS[tone][1] / 2))
        y += FONTS[tone][1]
    if node.shape is Shape.DECISION:
        return _Box(node, texts, *_diamond(texts))
    wide = most if node.shape in _CARDS else max((text.width for text in texts), default=0.0)
    beside, above = _ASIDE.get(node.shape, 14.0), _ABOVE.get(node.shape, 10.0)
    return _Box(node, texts, max(_LEAST, wide + 2 * beside), high + 2 * above)


def _diamond(texts: Sequence[_Text]) -> tuple[float, float]:
    """The smallest diamond that holds the lines, not flatter and not narrower than looks well."""
    wide = max((text.width for text in texts), default=_LEAST / 2) + 16
    sizes: list[tuple[float, float]] = []
    for step in range(14):
        whole = wide * (_FLATTEST + (_WIDEST - _FLATTEST) * step / 13)
        reach = [
            2 * (abs(text.y) + FONTS[text.tone][1] / 2) / (1 - (text.width + 16) / whole) for text in texts
        ]
        sizes.append((whole, max(reach, default=_LEAST / 3)))
    return min(sizes, key=lambda size: size[0] + 1.6 * size[1])


def _line(route: Route, *, dotted: bool) -> str:
    """A curve between two layers, straight through those that it passes, and its tip."""
    (x, y), *points = route.points
    path = [f"M{x:.1f} {y:.1f}"]
    end_x, end_y = points[-1]
    points[-1] = (end_x, end_y - _TIP + 1)
    for number, (to_x, to_y) in enumerate(points):
        if number % 2 == 0:
            path.append(f"V{to_y:.1f}")
        else:
            bend = (to_y - y) / 2
            path.append(f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    tip = f"M{end_x:.1f} {end_y:.1f}l-4 -{_TIP:g}h8z"
    kind = "edge earlier" if dotted else "edge"
    return f'<path class="{kind}" d="{"".join(path)}"/><path class="tip" d="{tip}"/>'


def _drawn(box: _Box, place: Point) -> list[str]:
    x, y = place[0] - box.width / 2, place[1]
    style = f" {box.node.style}" if box.node.style else ""
    lines = [f'<g class="{box.node.shape.value}{style}">{_outline(box, x, y)}']
    left = box.node.shape in _CARDS
    beside = x + _ASIDE.get(box.node.shape, 14.0) if left else place[0]
    anchor = "" if left else ' text-anchor="middle"'
    for text in box.texts:
        # What stands on the line hangs a third of its size below the middle.
        at = y + box.height / 2 + text.y + 0.35 * FONTS[text.tone][0]
        said = escape(text.text, quote=False)
        lines.append(f'<text class="{text.tone.value}" x="{beside:.1f}" y="{at:.1f}"{anchor}>{said}</text>')
    lines.append("</g>")
    return lines


def _outline(box: _Box, x: float, y: float) -> str:
    wide, high = box.width, box.height
    match box.node.shape:
        case Shape.DECISION:
            path = f"M{x:.1f} {y + high / 2:.1f}l{wide / 2:.1f} {-high / 2:.1f}l{wide / 2:.1f} {high / 2:.1f}"
            return f'<path class="box" d="{path}l{-wide / 2:.1f} {high / 2:.1f}z"/>'
        case Shape.DOCUMENTS:
            path = f"M{x + _SLANT:.1f} {y:.1f}H{x + wide:.1f}l{-_SLANT} {high:.1f}H{x:.1f}z"
            return f'<path class="box" d="{path}"/>'
        case Shape.MEMORY:
            lid = f"a{wide / 2:.1f} {_LID} 0 0"
            walls = f"M{x:.1f} {y + _LID:.1f}v{high - 2 * _LID:.1f}{lid} 0 {wide:.1f} 0v{2 * _LID - high:.1f}"
            top = f"M{x:.1f} {y + _LID:.1f}{lid} 0 {wide:.1f} 0"
            return f'<path class="box" d="{walls}{lid} 0 {-wide:.1f} 0z"/><path class="rib" d="{top}"/>'
        case shape:
            corner = min(high / 2, 24.0) if shape is Shape.END else _ROUND
            outline = (
                f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"'
                f' rx="{corner:g}"/>'
            )
            if shape is not Shape.TEAM:
                return outline
            ribs = f"M{x + _RIB:.1f} {y:.1f}v{high:.1f}M{x + wide - _RIB:.1f} {y:.1f}v{high:.1f}"
            return f'{outline}<path class="rib" d="{ribs}"/>'
