"""How many tokens a text has, about: for budgets, windows and answers that were cut off before their count.

No vendor's tokenizer is here. Letters are weighed by their script and signs by themselves, as one of OpenAI's
tokenizers (o200k) counts them: within three tenths of it for prose in twelve languages, code, JSON, tables
and HTML. Others count much alike, and what a provider reports always takes the place of these estimates.
"""

from __future__ import annotations

import json
import string
from math import ceil
from typing import TYPE_CHECKING

from atlas_mcp.messages import Draft, Finding, Image, Material, Passage, Reasoning, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from atlas_mcp.messages import JsonObject, Part, Prompt

__all__ = ["CHARACTERS_PER_TOKEN", "IMAGE_TOKENS", "MESSAGE_TOKENS", "tokens_of", "tokens_of_prompt"]

CHARACTERS_PER_TOKEN = 4
"""Of English prose; what an answer is reckoned by until its provider has counted one."""

IMAGE_TOKENS = 1_600
MESSAGE_TOKENS = 4

_LETTER, _SIGN = 0.2, 0.6
_TWO_BYTES = 0.33
"""A letter of Latin beyond ASCII, Greek, Cyrillic, Hebrew or Arabic."""
_INDIC = 0.4
"""A letter of India's scripts, or of Thai."""
_IDEOGRAM = 0.8
_EMOJI = 1.8

_LETTERS = (string.ascii_letters + " ").encode()
_NO_LEADS = bytes(range(0xC0))
"""Everything in UTF-8 but the first bytes of what is beyond ASCII."""
_LEADS_OF_TWO = bytes(range(0xC0, 0xE0))
_LEADS_OF_FOUR = bytes(range(0xF0, 0x100))


def tokens_of(text: str) -> int:
    """About how many tokens a text has; 0 only for an empty one."""
    # Deleting from bytes counts them at the speed of memory, which matters for prompts of whole documents.
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) == len(text):
        signs = len(encoded.translate(None, _LETTERS))
        return ceil(_LETTER * (len(text) - signs) + _SIGN * signs)
    leads = encoded.translate(None, _NO_LEADS)
    twos = len(leads) - len(leads.translate(None, _LEADS_OF_TWO))
    fours = len(leads) - len(leads.translate(None, _LEADS_OF_FOUR))
    indic = leads.count(0xE0)
    beyond = (
        _TWO_BYTES * twos + _INDIC * indic + _IDEOGRAM * (len(leads) - twos - fours - indic) + _EMOJI * fours
    )
    plain = len(text) - len(leads)
    letters = len(encoded) - len(encoded.translate(None, _LETTERS))
    return ceil(_LETTER * letters + _SIGN * (plain - letters) + beyond)


def tokens_of_prompt(prompt: Prompt) -> int:
    """About how many tokens a prompt has, its tools, schema and pictures included."""
    count = tokens_of(prompt.system)
    for tool in prompt.tools:
        count += tokens_of(tool.name) + tokens_of(tool.description) + _written(tool.parameters)
    if prompt.schema is not None:
        count += _written(prompt.schema)
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
            return tokens_of(part.name) + _written(part.arguments)
        case ToolResult():
            return tokens_of(part.text) + _quoted(part.passages)
        case Material():
            return _quoted(part.passages) + _quoted(part.findings) + _quoted(part.drafts)


def _written(value: JsonObject) -> int:
    return tokens_of(json.dumps(value, ensure_ascii=False))


def _quoted(several: Iterable[Passage | Finding | Draft]) -> int:
    """Passages, findings or drafts, with the tags they stand between."""
    return sum(
        tokens_of(one.quote if isinstance(one, Finding) else one.text) + 4 * MESSAGE_TOKENS for one in several
    )
