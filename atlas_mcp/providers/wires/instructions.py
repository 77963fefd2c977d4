"""What a model is told ahead of the conversation, where its wire has no better place for it.

How to cite, and what form the answer must have, are wishes of a prompt that some wires carry as such and
others only in words. It knows no wire and no vendor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.providers.wires.markers import CITE
from atlas_mcp.providers.wires.schemas import in_words

if TYPE_CHECKING:
    from atlas_mcp.messages import Prompt

__all__ = ["instructions"]


def instructions(prompt: Prompt, *, schema_in_words: bool = False) -> str:
    """The system text, how to cite where there is something to cite, and on wish the schema in words."""
    told = [prompt.system]
    if prompt.schema is None:
        if prompt.passages:
            told.append(CITE)
    elif schema_in_words:
        told.append(in_words(prompt.schema))
    return "\n\n".join(part for part in told if part)
