"""ATLAS: teams of agents behind one connection, as a library.

```python
async with open_atlas() as atlas, atlas.run("research", question="…") as run:
    async for event in run: ...
    print((await run.envelope())["output"]["report"])
```

Names are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atlas_mcp import chunks, errors, events, messages
    from atlas_mcp.app import Atlas, Run, open_atlas
    from atlas_mcp.errors import AtlasError
    from atlas_mcp.events import Event, Kind
    from atlas_mcp.memory.person import Note
    from atlas_mcp.messages import Prompt
    from atlas_mcp.orchestration.store import RunRow, RunState
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.providers.budget import Budget, Limit
    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.providers.provider import Provider, ProviderInfo, complete
    from atlas_mcp.providers.registry import Registry, configured_vendors
    from atlas_mcp.providers.script import Script
    from atlas_mcp.providers.scripted import ScriptedProvider
    from atlas_mcp.providers.stream import Stream
    from atlas_mcp.providers.terms import Policy, Terms
    from atlas_mcp.settings import Settings

__all__ = [
    "Atlas",
    "AtlasError",
    "Budget",
    "Event",
    "Kind",
    "Limit",
    "Note",
    "Policy",
    "Prompt",
    "Provider",
    "ProviderGroup",
    "ProviderInfo",
    "Registry",
    "Run",
    "RunRow",
    "RunState",
    "Script",
    "ScriptedProvider",
    "Settings",
    "Stream",
    "Team",
    "Terms",
    "chunks",
    "complete",
    "configured_vendors",
    "errors",
    "events",
    "messages",
    "open_atlas",
]

_HOMES = {
    "Atlas": "atlas_mcp.app",
    "AtlasError": "atlas_mcp.errors",
    "Budget": "atlas_mcp.providers.budget",
    "Event": "atlas_mcp.events",
    "Kind": "atlas_mcp.events",
    "Limit": "atlas_mcp.providers.budget",
    "Note": "atlas_mcp.memory.person",
    "Policy": "atlas_mcp.providers.terms",
    "Prompt": "atlas_mcp.messages",
    "Provider": "atlas_mcp.providers.provider",
    "ProviderGroup": "atlas_mcp.providers.group",
    "ProviderInfo": "atlas_mcp.providers.provider",
    "Registry": "atlas_mcp.providers.registry",
    "Run": "atlas_mcp.app",
    "RunRow": "atlas_mcp.orchestration.store",
    "RunState": "atlas_mcp.orchestration.store",
    "Script": "atlas_mcp.providers.script",
    "ScriptedProvider": "atlas_mcp.providers.scripted",
    "Settings": "atlas_mcp.settings",
    "Stream": "atlas_mcp.providers.stream",
    "Team": "atlas_mcp.orchestration.team",
    "Terms": "atlas_mcp.providers.terms",
    "complete": "atlas_mcp.providers.provider",
    "configured_vendors": "atlas_mcp.providers.registry",
    "open_atlas": "atlas_mcp.app",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
