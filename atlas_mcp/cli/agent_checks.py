"""What `doctor` looks at where agents live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.cli.check import Check
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from atlas_mcp.settings import Settings

__all__ = ["agent_checks"]

KNOWN = "0.16"
"""The version of Letta servers that the runtime was made for."""


async def agent_checks(settings: Settings) -> list[Check]:
    """Whether the Letta server is there, where agents live on one."""
    from atlas_mcp.agents.housing import letta_server

    try:
        server = letta_server(settings)
        if server is None:
            return [Check("Agents", "ok", "live in this process")]
        from atlas_mcp.agents.letta.letta_api import open_api

        api = open_api(*server)
        try:
            version = await api.version()
        finally:
            await api.aclose()
    except AtlasError as error:
        if settings.agents.on_failure == "in_process":
            says = f"{error.message} Agents live in this process instead."
            return [Check("Agents", "hint", says, error.remedy)]
        return [Check("Agents", "broken", error.message, error.remedy)]
    url = server[0]
    if not version.startswith(f"{KNOWN}."):
        says = f"Letta {version} at {url}, where {KNOWN} is known to work"
        return [Check("Agents", "hint", says, f"Run a server of version {KNOWN} if agents fail.")]
    return [Check("Agents", "ok", f"Letta {version} at {url}")]
