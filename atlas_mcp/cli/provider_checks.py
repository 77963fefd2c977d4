"""What `doctor` looks at of providers: who answers, which groups cannot be opened, what the day still allows.

Nothing is asked of a model, so that it costs nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from atlas_mcp.cli.check import Check
from atlas_mcp.errors import AtlasError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.providers.known.models import Models
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.provider import Health
    from atlas_mcp.providers.registry import Registry
    from atlas_mcp.settings import Settings

__all__ = ["UNPRICED", "budget_checks", "provider_checks"]

UNPRICED = "Declare a price in config/models.toml of the data folder, or limit tokens."

_NEARLY = 0.8
"""The share of a day's limit from which on it is worth a hint."""


async def provider_checks(settings: Settings, models: Models) -> list[Check]:
    """Whoever answers prompts, each member of it that does not, and every other group that is wrong."""
    from atlas_mcp.providers.registry import Registry, default_provider_name

    name = settings.models.default or default_provider_name()
    registry = Registry(
        settings.group,
        settings.provider,
        models=models,
        aiohttp=settings.models.transport == "aiohttp",
    )
    try:
        checks = await _default(registry, name, settings)
        told = {check.says for check in checks}
        others = await asyncio.to_thread(lambda: list(_other_groups(registry, name)))
        return [*checks, *(check for check in others if check.says not in told)]
    finally:
        await registry.aclose()


async def _default(registry: Registry, name: str, settings: Settings) -> list[Check]:
    try:
        provider = await asyncio.to_thread(registry.open, name)
        if not provider.info.language_model:
            todo = "For a language model set a vendor's key, such as ANTHROPIC_API_KEY or OPENAI_API_KEY."
            return [Check("Provider", "hint", f"{provider.info.name}: {provider.info.note}", todo)]
        checks = await _answering(provider)
        unpriced = await provider.unpriced() if settings.budget.day_usd is not None else []
    except AtlasError as error:
        return [Check("Provider", "broken", error.message, error.remedy)]
    if unpriced:
        says = f"[budget] day_usd does not bind for {', '.join(unpriced)}, whose price nobody knows"
        checks.append(Check("Budget", "hint", says, UNPRICED))
    return checks


async def _answering(provider: ProviderGroup) -> list[Check]:
    """Whether a provider answers; each member of a group that does not has a line and a remedy of its own."""
    from atlas_mcp.providers.group import checked

    leaves = list({leaf.name: leaf for leaf in provider.leaves()}.values())
    found = await asyncio.gather(*(checked(leaf) for leaf in leaves))
    if len(leaves) == 1 and provider.info.vendor != "group":
        (health,) = found
        said = f"{_line(leaves[0], health)} ({health.seconds:.2f} s)"
        if health.answers:
            return [Check("Provider", "ok", said)]
        todo = health.remedy or "Until then add --provider extractive."
        return [Check("Provider", "broken", said, todo)]
    dead = [
        Check("Member", "hint", _line(leaf, health), health.remedy)
        for leaf, health in zip(leaves, found, strict=True) if not health.answers
    ]  # fmt: skip
    answer = len(leaves) - len(dead)
    said = f"{provider.info.name}: {answer} of {len(leaves)} members answer"
    said += f" ({max(health.seconds for health in found):.2f} s)"
    if answer:
        return [Check("Provider", "ok", said), *dead]
    todo = "See to one of its members, or until then add --provider extractive."
    return [Check("Provider", "broken", said, todo), *dead]


def _line(leaf: Member, health: Health) -> str:
    info = leaf.provider.info
    return f"{info.name}{f' at {info.address}' if info.address else ''}: {health.says}"


def _other_groups(registry: Registry, default: str) -> Iterator[Check]:
    for name in registry.groups:
        called = f"group:{name}"
        if called != default:
            try:
                registry.open(called)
            except AtlasError as error:
                yield Check("Group", "broken", f"{called}: {error.message}", error.remedy)


def budget_checks(settings: Settings) -> Iterator[Check]:
    """What was taken of what may be spent today, where little or nothing is left of it."""
    from atlas_mcp.providers.keeping.accounts import current_user
    from atlas_mcp.providers.keeping.day import HELD_BACK, REMEDY, taken_today

    limits, path = settings.budget, settings.home / "runs.db"
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)) as connection:
            tokens, usd = taken_today(connection, current_user())
    except sqlite3.Error:
        return  # the check of the database itself tells
    for taken, most, said in (
        (tokens, limits.day_tokens, f"{tokens:,} of {limits.day_tokens or 0:,} tokens a day are taken"),
        (usd, limits.day_usd, f"${usd:.2f} of ${limits.day_usd or 0:.2f} a day are taken"),
    ):
        if most is None or taken < _NEARLY * most:
            continue
        if taken < (1.0 - HELD_BACK) * most:
            yield Check("Budget", "hint", said, REMEDY)
        else:
            yield Check("Budget", "broken", f"{said}; no call begins before midnight UTC", REMEDY)
