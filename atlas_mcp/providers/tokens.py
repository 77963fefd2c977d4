"""How many tokens a text has, about: for budgets, windows and answers that were cut off before their count.

No vendor's tokenizer is here. Four characters of English are a token in all of them, give or take a sixth;
letters of scripts beyond the first blocks of Unicode are about one each. What a provider reports always takes
the place of these estimates.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from atlas_mcp.messages import Finding, Image, Material, Passage, Reasoning, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atlas_mcp.messages import Part, Prompt

__all__ = ["tokens_of", "tokens_of_prompt"]

CHARACTERS_PER_TOKEN = 4
IMAGE_TOKENS = 1_600
MESSAGE_TOKENS = 4

_WIDE = re.compile("[\u0800-\U0010ffff]")


def tokens_of(text: str) -> int:
    """About how many tokens a text has; 0 only for an empty one."""
    wide = 0 if text.isascii() else len(_WIDE.findall(text))
    return wide - (wide - len(text)) // CHARACTERS_PER_TOKEN


def tokens_of_prompt(prompt: Prompt) -> int:
    """About how many tokens a prompt has, its tools, schema and pictures included."""
    count = tokens_of(prompt.system) if prompt.system else 0
    for tool in prompt.tools:
        count += tokens_of(f"{tool.name} {tool.description} {json.dumps(tool.parameters)}")
    if prompt.schema is not None:
        count += tokens_of(json.dumps(prompt.schema))
    for message in prompt.messages:
        count += MESSAGE_TOKENS + sum(_part(part) for part in message.parts)
    return count


def _part(part: Part) -> int:
    match part:
        case Text() | Reasoning():
            return tokens_of(part.text)
        case Image():
            return IMAGE_TOKENS
        case ToolCall():
            return tokens_of(f"{part.name}{json.dumps(part.arguments)}")
        case ToolResult():
            return tokens_of(part.text) + _quoted(part.passages)
        case Material():
            return _quoted(part.passages) + _quoted(part.findings)


def _quoted(several: Iterable[Passage | Finding]) -> int:
    """Passages or findings, with the tags they stand between."""
    return sum(
        tokens_of(one.text if isinstance(one, Passage) else one.quote) + 4 * MESSAGE_TOKENS for one in several
    )
