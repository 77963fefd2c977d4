"""Tokens, money and answers of model calls, by the names of OpenTelemetry's conventions for generative AI.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_mcp.observe.tracking.spans import Attribute

__all__ = ["answered", "memory_took", "paid", "spent", "tool_name"]

_NAME = re.compile(r"[\w./:-]{1,96}", re.ASCII)


def answered(data: Mapping[str, Any]) -> dict[str, Attribute]:
    """What a call's end says of it beside what it took."""
    told: dict[str, Attribute] = {
        "gen_ai.response.model": data["model"], "mlflow.llm.model": data["model"],
        "gen_ai.response.finish_reasons": data["stopped"], "atlas.seconds": data["seconds"],
    }  # fmt: skip
    if data.get("first_token") is not None:
        told["gen_ai.response.time_to_first_chunk"] = data["first_token"]
    return told


def memory_took(operation: Mapping[str, Any]) -> dict[str, Attribute]:
    """What a store of memory did, how often, over how much and how long."""
    return {
        "atlas.memory.operation": operation["operation"], "atlas.memory.store": operation["store"],
        "atlas.memory.count": operation["count"], "atlas.memory.items": operation["items"],
        "atlas.memory.cache_hits": operation["hits"], "atlas.memory.errors": operation["errors"],
        "atlas.seconds": operation["seconds"],
    }  # fmt: skip


def paid(usage: Mapping[str, Any]) -> dict[str, Attribute]:
    """Tokens and money of one call, by the names of the GenAI conventions."""
    if not usage:
        return {}
    told: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": usage["input_tokens"],
        "gen_ai.usage.output_tokens": usage["output_tokens"],
        "gen_ai.usage.cache_read.input_tokens": usage["cached_tokens"],
        "gen_ai.usage.cache_creation.input_tokens": usage.get("cache_write_tokens", 0),
        "gen_ai.usage.reasoning.output_tokens": usage["reasoning_tokens"],
        "atlas.usage.estimated": usage["estimated"],
    }
    return told if usage["cost_usd"] is None else {**told, "atlas.cost_usd": usage["cost_usd"]}


def spent(usage: Mapping[str, Any]) -> dict[str, Attribute]:
    """What a whole run took, by our own names: a receiver adds up the calls by itself."""
    if not usage:
        return {}
    told: dict[str, Attribute] = {
        "atlas.total.input_tokens": usage["input_tokens"],
        "atlas.total.output_tokens": usage["output_tokens"],
        "atlas.total.calls": usage["calls"],
    }
    return told if usage["cost_usd"] is None else {**told, "atlas.total.cost_usd": usage["cost_usd"]}


def tool_name(called: str) -> str:
    """The name of a tool; what a model called and is none may be anything that it would say."""
    return called if _NAME.fullmatch(called) else "unknown_tool"
