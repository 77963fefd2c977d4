"""What there is to answer prompts, as a person looks at it: who is configured, able, priced and reliable.

JSON types come out, for the resource, the command and whoever scripts it; nothing is asked of a server unless
health is wished for, and that costs nothing either.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from atlas_mcp.errors import AtlasError
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.breaker import BreakerState
from atlas_mcp.providers.known.reliability import Reliability
from atlas_mcp.providers.provider import Checked
from atlas_mcp.providers.registry import configured_vendors, ways_to_configure
from atlas_mcp.providers.strategies import name_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from atlas_mcp.messages import JsonObject
    from atlas_mcp.providers.group import ProviderGroup
    from atlas_mcp.providers.keeping.accounts import Accounts
    from atlas_mcp.providers.keeping.tables import Opened
    from atlas_mcp.providers.member import Member
    from atlas_mcp.providers.provider import Health
    from atlas_mcp.providers.registry import Registry

__all__ = ["overview", "standing"]

_MILLION = 1_000_000
_SHOWN_CHOICES = 5
_LATELY = 0.5
"""Who was observed less than that, faded as it is, was not used lately."""


async def overview(
    registry: Registry, accounts: Accounts, default: str, answering: Callable[[], Awaitable[ProviderGroup]],
    *, ping: bool = False,
) -> JsonObject:  # fmt: skip
    """Every provider and group that is configured, the vendors that could be, and what was spent today.

    `default` is who answers prompts, and `answering` opens it. With `ping` each provider says whether its
    server answers, takes the key and has the model; what the vendor reports of the model is kept.
    """

    async def opening(name: str) -> ProviderGroup:
        return await accounts.opened(await asyncio.to_thread(registry.open, name))

    configured = configured_vendors()
    names = dict.fromkeys(
        [default, *configured, *(f"group:{name}" for name in registry.groups), *_unnamed(registry, default)]
    )
    opened: dict[str, ProviderGroup] = {}
    broken: list[JsonObject] = []
    for name in names:
        try:
            opened[name] = await (answering() if name == default else opening(name))
        except AtlasError as error:
            broken.append({"name": name, "error": error.to_dict()})
    members = {member.name: member for group in opened.values() for member in group.leaves()}
    told = await asyncio.gather(
        *(_provider(registry, accounts, each, ping=ping) for each in members.values())
    )
    return {
        "default": default,
        "providers": told,
        "groups": [_group(registry, group) for group in opened.values() if group.info.vendor == "group"],
        "broken": broken,
        "problems": [problem.to_dict() for problem in accounts.models.problems],
        "could_be": {
            vendor: list(names) for vendor, names in ways_to_configure().items() if vendor not in configured
        },
        "today": await _today(accounts),
    }


async def standing(registry: Registry, accounts: Accounts, default: str) -> JsonObject:
    """How those fare who answer prompts, as the data folder tells it; nobody is opened, asked or loaded.

    They are those that `default` and the groups name, with all of whom something was observed lately. What a
    process finds out is here within seconds; a breaker that only a person can close is kept by none.
    """
    known, now = await accounts.store.known(), time.time()
    reliability = Reliability()
    reliability.restore(known.tracks)
    opened = {key.rpartition("@")[0]: breaker for key, breaker in known.breakers.items()}
    used = [name for name in reliability.members if reliability.record(name).calls >= _LATELY]
    named = [default, *(member.name for group in registry.groups.values() for member in group.members)]
    every = [*used, *opened]
    # Where no model is named, whichever was asked stands for it.
    named = [
        name for name in named
        if not name.startswith("group:") and not any(each.startswith(f"{name}:") for each in every)
    ]  # fmt: skip
    return {
        "default": default,
        "members": [
            {"name": name, **_breaker(opened.get(name), now), "record": _record_of(reliability, name)}
            for name in dict.fromkeys([*named, *every])
        ],
        "groups": [
            {"name": f"group:{name}", "members": [member.name for member in group.members]}
            for name, group in registry.groups.items()
        ],
        "today": await _today(accounts),
    }


def _breaker(opened: Opened | None, now: float) -> JsonObject:
    if opened is None:
        return {"breaker": str(BreakerState.CLOSED), "reason": "", "ready_in": 0.0}
    state = BreakerState.OPEN if opened.until > now else BreakerState.HALF_OPEN
    ready_in = round(min(max(0.0, opened.until - now), opened.seconds), 1)
    return {"breaker": str(state), "reason": opened.reason, "ready_in": ready_in}


def _record_of(reliability: Reliability, name: str) -> JsonObject | None:
    record = reliability.record(name)
    return _short(asdict(record)) if record.calls >= _LATELY else None


def _unnamed(registry: Registry, default: str) -> list[str]:
    """Providers of a person's own of which no model is asked for anywhere; their usual one is shown."""
    asked = [default, *(member.name for group in registry.groups.values() for member in group.members)]
    vendors = {name.strip().partition(":")[0] for name in asked}
    return [name for name in registry.providers if name not in vendors]


async def _today(accounts: Accounts) -> JsonObject:
    await accounts.day.sync()
    spent, limit = accounts.day.spent, accounts.day.budget.limit
    return {
        "calls": spent.calls, "tokens": spent.tokens, "cost_usd": spent.cost_usd,
        "limit_tokens": limit.tokens, "limit_usd": limit.cost_usd, "unpriced": accounts.day.budget.blind,
    }  # fmt: skip


async def _provider(registry: Registry, accounts: Accounts, member: Member, *, ping: bool) -> JsonObject:
    provider = member.provider
    health = await provider.check() if ping and isinstance(provider, Checked) else None
    if health is not None and health.capabilities is not None:
        accounts.store.learn(provider.info, health.capabilities)
    await member.look_up(registry.circumstances.prices)
    info, capabilities, price = provider.info, member.capabilities, member.price
    return {
        "name": info.name,
        "model": info.model,
        "address": info.address,
        "language_model": info.language_model,
        "note": info.note,
        "window": capabilities.window,
        "output": capabilities.output,
        "strengths": {str(one): level.name.lower() for one, level in sorted(capabilities.strengths.items())},
        "usd_per_million": price
        and {"input": round(price.input * _MILLION, 6), "output": round(price.output * _MILLION, 6)},
        "records": _records(registry, member.name),
        "allowance": _allowance(registry, member.name),
        "health": health and _health(health),
    }


def _health(health: Health) -> JsonObject:
    return {
        "answers": health.answers,
        "seconds": round(health.seconds, 3),
        "says": health.says,
        "remedy": health.remedy,
    }


def _allowance(registry: Registry, name: str) -> JsonObject | None:
    """What the vendor's rate limits left when it last answered this process."""
    told = registry.circumstances.reliability.allowance(name)
    return told and {"seconds_ago": round(told[0], 1), **asdict(told[1])}


def _records(registry: Registry, name: str) -> JsonObject:
    """How a member fared lately, by task and over all; only tasks of which something is known."""
    reliability = registry.circumstances.reliability
    told: JsonObject = {}
    for task in (None, *TaskType):
        record = reliability.record(name, task)
        if record.calls > 0 or record.rated > 0:
            told["all" if task is None else task.value] = _short(asdict(record))
    return told


def _short(record: JsonObject) -> JsonObject:
    """A record whose figures have as many digits as they are worth."""
    short: JsonObject = {}
    for key, value in record.items():
        if isinstance(value, dict):
            short[key] = _short(cast("JsonObject", value))
        else:
            short[key] = round(value, 6) if isinstance(value, float) else value
    return short


def _group(registry: Registry, group: ProviderGroup) -> JsonObject:
    info = group.info
    now = registry.circumstances.clock()
    return {
        "name": info.name,
        "strategy": name_of(group.strategy),
        "members": [
            {
                "name": member.name,
                "weight": member.weight,
                "breaker": str(member.breaker.state),
                "reason": member.breaker.reason,
                "ready_in": round(max(0.0, (member.breaker.ready_at or now) - now), 1),
                "at_once": member.at_once,
            }
            for member in group.members
        ],
        "choices": [
            {"member": chosen.member, "task": str(chosen.task), "reason": chosen.reason}
            for chosen in group.choices[-_SHOWN_CHOICES:]
        ],
    }
