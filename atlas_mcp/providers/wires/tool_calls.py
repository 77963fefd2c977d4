"""A model's tool call once all of it is said: a name, and arguments that are a JSON object."""

from __future__ import annotations

from typing import Any, cast

import jiter

from atlas_mcp.errors import MalformedResponse
from atlas_mcp.messages import ToolCall

__all__ = ["finished_call"]


def finished_call(call_id: str, name: str, arguments: str | dict[str, Any]) -> ToolCall:
    """The call; `arguments` is JSON, and may be empty where the tool takes none.

    Raises:
        MalformedResponse: there is no name, or the arguments are no JSON object.
    """
    value: Any = arguments
    if isinstance(arguments, str):
        try:
            value = jiter.from_json(arguments.encode()) if arguments.strip() else {}
        except ValueError:
            value = None
    if not isinstance(value, dict) or not name:
        raise MalformedResponse(
            f"The model's call of the tool {name!r} is not a name with a JSON object of arguments.",
            remedy="Try again; a model that does this often cannot be used with tools.",
        )
    return ToolCall(call_id, name, cast("dict[str, Any]", value))
