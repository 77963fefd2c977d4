"""What a server of the Messages wire refuses, out of its own words."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_mcp.providers.wires.exchange import SEALS
from atlas_mcp.providers.wires.messages_refusals import refused

BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "messages": [],
    "stream": True,
    "system": "s",
    "tools": [],
    "temperature": 0.2,
    "tool_choice": {"type": "any"},
    "thinking": {"type": "disabled", "display": "summarized"},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
}


NO_SWITCH = (
    '"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive" and '
    '"output_config.effort" to control thinking behavior.'
)
NO_TAG = (
    "thinking: Input tag 'adaptive' found using 'type' does not match any of the expected tags: "
    "'disabled', 'enabled'"
)
NO_SEAL = (
    "messages.1.content.0: Invalid `signature` in `thinking` block. "
    "The block is bound to a different conversation. Remove the block."
)


@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("`temperature` is deprecated for this model.", "temperature"),
        ("temperature: Extra inputs are not permitted", "temperature"),
        ('tool_choice: type "tool" and "any" are not supported for this model.', "tool_choice"),
        (NO_SWITCH, "thinking.type.disabled"),
        ("adaptive thinking is not supported on this model", "thinking"),
        (NO_TAG, "thinking"),
        ("thinking.display: Extra inputs are not permitted", "thinking.display"),
        ("This model does not support the effort parameter.", "output_config.effort"),
        ("output_config.effort: high is not supported for this model", "output_config.effort"),
        ("output_config.format: Extra inputs are not permitted", "output_config.format"),
        (
            "output_config.format.schema: Schema is too complex for compilation",
            "output_config.format",
        ),
        ("Schema is too complex.", "output_config.format"),
        ("The compiled grammar is too large.", "output_config.format"),
        ("Structured outputs are not available here.", "output_config.format"),
        ("output_config: Extra inputs are not permitted", "output_config"),
        (NO_SEAL, SEALS),
    ],
)
def test_a_part_of_the_request_that_is_refused_is_known_by_its_name(message: str, gone: str) -> None:
    assert refused(message, BODY) == gone


@pytest.mark.parametrize(
    "message",
    [
        "temperature: Input should be less than or equal to 1",
        "Thinking may not be enabled when tool_choice forces tool use.",
        "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens",
        "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12.",
        "This model does not support assistant message prefill.",
        "messages: at least one message is required",
        "",
    ],
)
def test_whatever_else_is_wrong_nothing_is_left_out(message: str) -> None:
    assert refused(message, BODY) is None


def test_what_was_not_sent_is_not_left_out() -> None:
    assert refused("This model does not support the effort parameter.", {"model": "m"}) is None
