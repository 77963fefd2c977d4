"""The colours and fonts of a picture, for light and for dark surroundings."""

from __future__ import annotations

from atlas_mcp.observe.pictures.course import Tone

__all__ = ["BOLD", "FONTS", "STYLE"]

FONTS = {
    Tone.NAME: (13.5, 19.0),
    Tone.PLAIN: (13.0, 18.0),
    Tone.ASIDE: (11.0, 16.0),
    Tone.OUTCOME: (12.5, 19.0),
}
"""The size of a tone's letters, and the height of its lines."""

BOLD = frozenset({Tone.NAME, Tone.OUTCOME})

_LIGHT = {
    ".ground": "fill:#ffffff",
    "text": "fill:#1f2328",
    ".aside": "fill:#59636e",
    ".edge": "stroke:#6e7781",
    ".tip": "fill:#6e7781",
    ".box": "fill:#f6f8fa;stroke:#8c959f",
    ".rib": "stroke:#8c959f",
    ".end .box": "fill:#eaeef2",
    ".team .box": "fill:#eef5ff;stroke:#4078c0",
    ".team .rib": "stroke:#4078c0",
    ".decision .box": "fill:#fbf8ff;stroke:#8250df",
    ".failed .box": "fill:#fff0ee;stroke:#c0392b",
    ".failed .rib": "stroke:#c0392b",
    ".failed .outcome,.failed.end .name": "fill:#a01d14",
    ".partial .box": "fill:#fff6e0;stroke:#b9770e",
    ".partial .rib": "stroke:#b9770e",
    ".partial .outcome,.partial.end .name": "fill:#7d4e00",
    ".kept .box": "fill:#e8f7ec;stroke:#1e8449",
    ".kept .outcome": "fill:#116329",
}
_DARK = {
    ".ground": "fill:#0d1117",
    "text": "fill:#e6edf3",
    ".aside": "fill:#9198a1",
    ".edge": "stroke:#7d8590",
    ".tip": "fill:#7d8590",
    ".box": "fill:#161b22;stroke:#6e7681",
    ".rib": "stroke:#6e7681",
    ".end .box": "fill:#212830",
    ".team .box": "fill:#111d2f;stroke:#4a86d8",
    ".team .rib": "stroke:#4a86d8",
    ".decision .box": "fill:#1b1729;stroke:#a371f7",
    ".failed .box": "fill:#35171a;stroke:#f85149",
    ".failed .rib": "stroke:#f85149",
    ".failed .outcome,.failed.end .name": "fill:#ff9a94",
    ".partial .box": "fill:#2e2411;stroke:#d29922",
    ".partial .rib": "stroke:#d29922",
    ".partial .outcome,.partial.end .name": "fill:#e3b341",
    ".kept .box": "fill:#122b1a;stroke:#3fb950",
    ".kept .outcome": "fill:#7ee787",
}
_DRAWN = {
    "text": "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif",
    **{f".{tone.value}": f"font-size:{size:g}px" for tone, (size, _) in FONTS.items()},
    ",".join(f".{tone.value}" for tone in Tone if tone in BOLD): "font-weight:600",
    ".edge": "fill:none;stroke-width:1.4",
    ".earlier": "stroke-dasharray:3 4",
    ".rib": "fill:none",
    ".failed .box,.partial .box,.kept .box": "stroke-width:2",
}


def _rules(styles: dict[str, str]) -> str:
    """Rules for this picture alone: it may stand in a page beside others."""
    return "".join(
        f"{','.join(f'.atlas-run {each}' for each in chosen.split(','))}{{{said}}}"
        for chosen, said in styles.items()
    )


STYLE = f"{_rules(_DRAWN)}{_rules(_LIGHT)}@media (prefers-color-scheme:dark){{{_rules(_DARK)}}}"
"""What a picture's own `style` says; it names no font or file that would have to be fetched."""
