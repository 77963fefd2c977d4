"""What one data folder knows of providers and lets them spend: records, prices, breakers, today's budget.

It puts together what groups share and keeps it in the database while it is entered; it opens no provider.
"""

from __future__ import annotations

import getpass
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atlas_mcp.providers.budget import Limit
from atlas_mcp.providers.keeping.day import Day
from atlas_mcp.providers.keeping.store import ProviderStore
from atlas_mcp.providers.known.models import Models
from atlas_mcp.providers.known.prices import Prices
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.registry import accounts_among
from atlas_mcp.providers.roster import Circumstances

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from atlas_mcp.database import Database
    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.settings import Settings

__all__ = ["Accounts", "current_user", "models_file", "models_of"]


def models_file(settings: Settings) -> Path:
    """The file of what a person knows better of models."""
    return settings.config / "models.toml"


def models_of(settings: Settings) -> Models:
    """What is known of models: the shipped data, and the person's own on top."""
    return Models.load(models_file(settings), accounts=accounts_among(settings.provider))


def current_user() -> str:
    """The user of the operating system; in a container it may have no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "user"


class Accounts:
    """The accounts of one user in one data folder."""

    def __init__(self, settings: Settings, database: Database, user: str) -> None:
        self.models = models_of(settings)
        self.reliability = Reliability()
        self.store = ProviderStore(database, self.reliability, self.models)
        self.day = Day(database, user, Limit(settings.budget.day_tokens, settings.budget.day_usd))
        self.circumstances = Circumstances(self.reliability, Prices(self.models), on_change=self.store.notice)

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[Accounts]:
        """Write down what changes, from entry to exit."""
        async with self.store.kept(), self.day.kept():
            yield self

    async def opened(self, group: ProviderGroup) -> ProviderGroup:
        """A group that was just opened, its members reminded of what is known of them; gives it back."""
        await self.store.load(group)
        return group
