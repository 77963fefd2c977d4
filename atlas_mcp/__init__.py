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
    from atlas_mcp import errors, events, messages
    from atlas_mcp.app import Atlas, Run, open_atlas
    from atlas_mcp.errors import AtlasError
    from atlas_mcp.events import Event, Kind
    from atlas_mcp.orchestration.store import RunRow, RunState
    from atlas_mcp.orchestration.team import Team
    from atlas_mcp.settings import Settings

__all__ = [
    "Atlas",
    "AtlasError",
    "Event",
    "Kind",
    "Run",
    "RunRow",
    "RunState",
    "Settings",
    "Team",
    "errors",
    "events",
    "messages",
    "open_atlas",
]

_HOMES = {
    "Atlas": "atlas_mcp.app",
    "AtlasError": "atlas_mcp.errors",
    "Event": "atlas_mcp.events",
    "Kind": "atlas_mcp.events",
    "Run": "atlas_mcp.app",
    "RunRow": "atlas_mcp.orchestration.store",
    "RunState": "atlas_mcp.orchestration.store",
    "Settings": "atlas_mcp.settings",
    "Team": "atlas_mcp.orchestration.team",
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
