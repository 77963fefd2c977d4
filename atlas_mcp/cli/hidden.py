"""Shows on a terminal what a text holds that nobody sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from atlas_mcp.text.visible import visible

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["marked", "visible"]

_MARK = re.compile(r"⟨U\+[0-9A-F]{4,6}⟩")


def marked(text: str, style: str = "") -> Text:
    """A text as `visible` has it, in which what was hidden stands out."""
    from rich.text import Text

    told = Text(visible(text), style=style)
    told.highlight_regex(_MARK, "bold reverse red")
    return told
