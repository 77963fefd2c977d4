"""What can be read of downstream servers: which there are and how they stand; one with its tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from atlas_mcp.downstream.overview import described, overview
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastmcp import FastMCP

    from atlas_mcp.surface.opening import Opening

__all__ = ["add_servers"]

JSON = "application/json"


def add_servers(server: FastMCP, opening: Opening, refused: Callable[[AtlasError], Exception]) -> None:
    """Give a server the resources of downstream servers; reading them starts none."""

    @server.resource(
        "atlas://servers", name="servers", mime_type=JSON,
        description="Downstream servers whose tools teams may use: how each stands, and what it took.",
    )  # fmt: skip
    async def servers() -> str:
        try:
            return _json(await overview(await (await opening.atlas()).servers()))
        except AtlasError as error:
            raise refused(error) from None

    @server.resource(
        "atlas://servers/{server}", name="server", mime_type=JSON,
        description="A downstream server: its tools and how each stands, what tools and agents took.",
    )  # fmt: skip
    async def one(server: str) -> str:
        try:
            return _json(await described(await (await opening.atlas()).servers(), server))
        except AtlasError as error:
            raise refused(error) from None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
