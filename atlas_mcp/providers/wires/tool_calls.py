"""A model's tool call once all of it is said: a name, and arguments that are a JSON object."""

from __future__ import annotations

import json
from typing import Any, cast

import jiter

from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import ToolCall

__all__ = ["finished_call", "is_finite"]


def finished_call(call_id: str, name: str, arguments: str | dict[str, Any]) -> ToolCall:
    """The call; `arguments` is JSON, and may be empty where the tool takes none.

    Raises:
        MalformedResponse: there is no name, or the arguments are no JSON object, which knows no NaN.
    """
    value: Any = arguments
    if isinstance(arguments, str):
        try:
            value = jiter.from_json(arguments.encode()) if arguments.strip() else {}
        except ValueError:
            value = None
    if not isinstance(value, dict) or not name or not is_finite(cast("object", value)):
        raise MalformedResponse(
            f"The model's call of the tool {name!r} is not a name with a JSON object of arguments.",
            remedy="Try again; a model that does this often cannot be used with tools.",
        )
    return ToolCall(call_id, name, cast("dict[str, Any]", value))


def is_finite(value: object) -> bool:
    """Whether every number in a JSON value is one; parsers let `NaN` and `1e999` pass, and no writer does."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
