"""What the benchmark of providers found, as tables with the ratios and the figures that are aimed at."""

from __future__ import annotations

from typing import Any, TypeAlias

from benchmarks.layer_import import LAYER

__all__ = ["decisions", "imports", "sides_of"]

Figures: TypeAlias = dict[str, Any]

_WAYS = {"stream_1": "stream", "stream_32": "32 at once", "plain_1": "plain", "plain_32": "32 at once"}
_OURS = "ATLAS, everything on"
_SDK = "the SDK"
_AIMS = {"OpenAI chat": 0.25, "OpenAI responses": 0.25, "Anthropic": 0.65, "Ollama": 1.3}
_PLAIN_AIM = 1.15
_DECISION_AIM = 50.0
_IMPORT_AIM = 0.3


_HEAD = """\
A stream of {tokens} tokens and a plain call: milliseconds of CPU, the least of {rounds} rounds, and how many
times (x) as much as the SDK by itself. Imports in seconds of CPU, until the first call was answered; memory
in MB then, and at the end. Load {load} before, {load_after} after, on {cores} cores.
"""


def sides_of(found: Figures) -> str:
    """A table a wire: milliseconds of CPU, and how many times as much as the SDK alone."""
    told = [_HEAD.format(**found)]
    for wire in dict.fromkeys(side["wire"] for side in found["sides"]):
        told += _one_wire(wire, [side for side in found["sides"] if side["wire"] == wire])
    return "\n".join(told) + "\n"


def _one_wire(wire: str, sides: list[Figures]) -> list[str]:
    sdk = next((side for side in sides if side["name"] == _SDK and "failed" not in side), None)
    heads = "".join(f"{head:>11}{'x':>6}" for head in _WAYS.values())
    lines = [f"{wire:<26}{heads}{'import':>8}{'MB':>5}{'':>4}"]
    for side in sides:
        if "failed" in side:
            lines.append(f"  {side['name']:<26}{side['failed']}")
            continue
        cells = "".join(f"{side[way]:>11.2f}{_ratio(side, sdk, way):>6}" for way in _WAYS)
        memory = f"{side['mb_start']:>5}{side['mb_end']:>4}"
        lines.append(f"  {side['name']:<26}{cells[2:]}{side['import_s']:>8.2f}{memory}  {side['versions']}")
    ours = next((side for side in sides if side["name"] == _OURS and "failed" not in side), None)
    if ours and sdk:
        stream, plain = ours["stream_1"] / sdk["stream_1"], ours["plain_1"] / sdk["plain_1"]
        lines.append(
            f"  aims: {_aim('a stream', stream, _AIMS[wire])}; {_aim('a plain call', plain, _PLAIN_AIM)}"
        )
    return [*lines, ""]


def _ratio(side: Figures, sdk: Figures | None, way: str) -> str:
    return f"{side[way] / sdk[way]:.2f}" if sdk else ""


def _aim(what: str, found: float, aim: float) -> str:
    return f"{what} at most {aim:g}, found {found:.2f} ({'met' if found <= aim else 'missed'})"


def decisions(found: Figures) -> str:
    """The choices of a group, by strategy and number of members."""
    sizes = list(next(iter(found["decisions"].values())))
    lines = ["Who answers, decided: microseconds, by strategy and number of members"]
    lines.append(f"  {'':<14}" + "".join(f"{size:>8}" for size in sizes))
    lines += [
        f"  {name:<14}" + "".join(f"{each[size]:>8.1f}" for size in sizes)
        for name, each in found["decisions"].items()
    ]
    most = max(each[size] for each in found["decisions"].values() for size in sizes)
    return "\n".join([*lines, f"  aim: {_aim('any', most, _DECISION_AIM)}", "", ""])


def imports(found: Figures) -> str:
    """Imports of the layer with the SDKs absent, and what of them costs most."""
    lines = ["Imports without any SDK: seconds of CPU beyond the interpreter's own start, MB in all"]
    lines += [
        f"  {name:<36}{cost['seconds']:>8.3f}{cost['mb']:>6}" for name, cost in found["imports"].items()
    ]
    layer = found["imports"][LAYER]["seconds"]
    lines += [f"  aim: {_aim('the layer', layer, _IMPORT_AIM)}", "  dearest by themselves, in ms:"]
    lines += [f"    {each['module']:<40}{each['own_ms']:>8.1f}" for each in found["dearest"]]
    return "\n".join([*lines, ""])
