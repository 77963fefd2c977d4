"""Agents and their blocks on a Letta server: made once, and brought to what is wished for.

An agent is told from others by tags of our own beside those of its spec: one for the set of its tags, one for
the hash of its spec, by which it is seen whether anything has to be changed. A shared block bears a tag with
its name. Where two make the same at once, from wherever, the older one stands.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.agents.runtime import AgentInfo, Block
from atlas_mcp.errors import InvalidConfiguration, InvalidInput, UnknownAgent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from atlas_mcp.agents.letta.letta_api import LettaApi
    from atlas_mcp.agents.runtime import AgentSpec

__all__ = ["MEMORY_TOOLS", "Agents", "Kept"]

MEMORY_TOOLS = ("memory_insert", "memory_replace", "memory_rethink")
"""The server's own tools by which an agent edits its blocks; each use of one waits for our leave."""
_SEARCH_TOOLS = ("conversation_search",)
_ARCHIVAL_TOOLS = ("archival_memory_insert", "archival_memory_search")

_OURS = "atlas"
_KEY = "atlas-key:"
_SPEC = "atlas-spec:"
_SHARED = "atlas-shared:"
_PAGE = 100
_ID = re.compile(r"agent-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Kept:
    """An agent as the server has it.

    `model` is what its spec asks for, empty for our own; `compiled` is a digest of all that its prompt is
    compiled from.
    """

    info: AgentInfo
    model: str
    handle: str
    labels: tuple[str, ...]
    blocks: tuple[Block, ...]
    compiled: str


class Agents:
    """The agents of a server."""

    def __init__(self, api: LettaApi) -> None:
        self._api = api
        self._default = ""

    async def ensure(self, spec: AgentSpec) -> AgentInfo:
        """The agent of a spec, made or changed; call it for one spec at a time."""
        found = await self._tagged([f"{_KEY}{_digest(sorted(spec.tags))}"])
        if not found:
            made = await self._make(spec)
            found = await self._tagged([f"{_KEY}{_digest(sorted(spec.tags))}"])
            if found[0].id != made:  # somebody else was first
                await self.delete(made, blocks=True)
        agent = found[0]
        if f"{_SPEC}{_spec_digest(spec)}" not in agent.tags:
            await self._change(agent, spec)
            agent = await self._retrieved(agent.id)
        return _info(agent)

    async def kept(self, agent_id: str) -> Kept:
        """An agent with its blocks.

        Raises:
            UnknownAgent: there is none of that id.
        """
        agent = await self._retrieved(agent_id)
        ours = _metadata(agent)
        labels = tuple(ours.get("blocks", ()))
        blocks = sorted(map(_block, agent.blocks or ()), key=lambda block: _place(labels, block.label))
        told = [agent.system, [asdict(block) for block in blocks]]
        return Kept(
            _info(agent), ours.get("model", agent.model or ""), agent.model or "", labels, tuple(blocks),
            _digest(told),
        )  # fmt: skip

    async def listed(self, tags: Sequence[str]) -> list[AgentInfo]:
        """Our agents that have all those tags, oldest first."""
        return [_info(agent) for agent in await self._tagged([_OURS, *tags])]

    async def seen(self) -> None:
        """See that the server lets us in."""
        with self._api.told():
            await self._api.read.agents.list(limit=1)

    async def delete(self, agent_id: str, *, blocks: bool) -> None:
        """Delete an agent, and those of its blocks that no other has."""
        kept = await self.kept(agent_id)
        with self._api.told():
            await self._api.act.agents.delete(agent_id)
        if not blocks:
            return
        for block in kept.blocks:
            with self._api.told():
                owners = await self._api.read.blocks.agents.list(block.id, limit=1)
                if not owners.items:
                    await self._api.act.blocks.delete(block.id)

    async def write(self, agent_id: str, label: str, value: str) -> Block:
        """Give a block a value; the server checks no limit, so it is checked here."""
        kept = await self.kept(agent_id)
        block = next((each for each in kept.blocks if each.label == label), None)
        if block is None:
            known = ", ".join(each.label for each in kept.blocks) or "none"
            raise InvalidInput(f"The agent has no block {label!r}.", remedy=f"It has: {known}.")
        if problem := beyond(block, value):
            raise InvalidInput(problem, remedy="Shorten the value, or raise the block's limit.")
        with self._api.told():
            await self._api.act.blocks.update(block.id, value=value)
        return replace(block, value=value)

    # What they are made of

    async def _make(self, spec: AgentSpec) -> str:
        shared = [await self._shared(block) for block in spec.blocks if block.shared]
        own = [_written(block) for block in spec.blocks if not block.shared]
        create = cast("Any", self._api.act.agents.create)
        handle = spec.model or await self._any_model()
        with self._api.told():
            made = await create(
                **_traits(spec), model=handle, memory_blocks=own, block_ids=[block.id for block in shared],
                include_base_tools=False, tools=_tools(spec),
                tool_rules=[{"type": "requires_approval", "tool_name": name} for name in MEMORY_TOOLS],
            )  # fmt: skip
        return str(made.id)

    async def _change(self, agent: Any, spec: AgentSpec) -> None:
        """Bring an agent to its spec; blocks that it has keep their values."""
        has = {block.label: block for block in agent.blocks or ()}
        act = self._api.act
        with self._api.told():
            for block in spec.blocks:
                known = has.pop(block.label, None)
                if known is not None and _name(known) == block.shared:
                    await act.blocks.update(
                        known.id, description=block.description, limit=block.limit, read_only=block.read_only
                    )
                    continue
                if known is not None:
                    await self._detach(agent.id, known)
                new = await self._shared(block) if block.shared else await self._own(block)
                await act.agents.blocks.attach(new.id, agent_id=agent.id)
            for gone in has.values():
                await self._detach(agent.id, gone)
            await self._equip(agent, spec)
            model: dict[str, Any] = {"model": spec.model} if spec.model else {}
            await cast("Any", act.agents.update)(agent.id, **_traits(spec), **model)

    async def _detach(self, agent_id: str, block: Any) -> None:
        await self._api.act.agents.blocks.detach(block.id, agent_id=agent_id)
        if not _name(block):
            await self._api.act.blocks.delete(block.id)

    async def _equip(self, agent: Any, spec: AgentSpec) -> None:
        """Give and take tools for the archive."""
        has = {tool.name: tool.id for tool in agent.tools or ()}
        for name in _ARCHIVAL_TOOLS:
            if name in has and not spec.archival:
                await self._api.act.agents.tools.detach(has[name], agent_id=agent.id)
            elif name not in has and spec.archival:
                found = await self._api.read.tools.list(name=name)
                await self._api.act.agents.tools.attach(found.items[0].id, agent_id=agent.id)

    async def _own(self, block: Block) -> Any:
        return await cast("Any", self._api.act.blocks.create)(**_written(block))

    async def _shared(self, block: Block) -> Any:
        """The block of a shared name: the oldest, should there be several."""
        found = await self._blocks_named(block.shared)
        if not found:
            tags = [_OURS, f"{_SHARED}{block.shared}"]
            made = await cast("Any", self._api.act.blocks.create)(**_written(block), tags=tags)
            found = await self._blocks_named(block.shared)
            if found[0].id != made.id:
                await self._api.act.blocks.delete(made.id)
        return found[0]

    async def _blocks_named(self, name: str) -> list[Any]:
        with self._api.told():
            found = await self._api.read.blocks.list(
                order="asc", limit=2, extra_query={"tags": [f"{_SHARED}{name}"], "match_all_tags": True}
            )
        return list(found.items)

    async def _any_model(self) -> str:
        """A handle of the server's: it wants one, whoever answers in the end."""
        if not self._default:
            with self._api.told():
                models = await self._api.read.models.list()
            handles = [str(model.handle) for model in models if model.handle and _speaks(model)]
            own = [handle for handle in handles if not handle.startswith(("letta/", "atlas-"))]
            if not (own or handles):
                raise InvalidConfiguration(
                    f"The Letta server at {self._api.url} has no model.",
                    remedy="Give it one, such as by OPENAI_API_KEY in its environment.",
                )
            self._default = (own or handles)[0]
        return self._default

    async def _tagged(self, tags: list[str]) -> list[Any]:
        """Every agent that has all those tags, oldest first."""
        found: list[Any] = []
        while True:
            after: dict[str, Any] = {"after": found[-1].id} if found else {}
            with self._api.told():
                page = await self._api.read.agents.list(
                    tags=tags, match_all_tags=True, limit=_PAGE, order="asc",
                    include=["agent.blocks", "agent.tags", "agent.tools"], **after,
                )  # fmt: skip
            found += page.items
            if len(page.items) < _PAGE:
                return found

    async def _retrieved(self, agent_id: str) -> Any:
        if not _ID.fullmatch(agent_id):
            raise UnknownAgent(f"{agent_id!r} is no agent of a Letta server.")
        with self._api.told():
            return await self._api.read.agents.retrieve(
                agent_id, include=["agent.blocks", "agent.tags", "agent.tools"]
            )


def beyond(block: Block, value: str) -> str:
    """Why a block cannot have a value, in words; empty where it can."""
    if len(value) <= block.limit:
        return ""
    return f"Block {block.label!r} holds at most {block.limit:,} characters; this has {len(value):,}."


def _traits(spec: AgentSpec) -> dict[str, Any]:
    """What can be set and changed alike. The server takes only some characters in names."""
    name = re.sub(r"[^\w '-]+", "-", spec.name).strip() or "agent"
    labels = [block.label for block in spec.blocks]
    return {
        "name": name,
        "system": spec.system,
        "tags": [
            _OURS, f"{_KEY}{_digest(sorted(spec.tags))}", f"{_SPEC}{_spec_digest(spec)}", *spec.tags,
        ],
        "metadata": {_OURS: {"name": spec.name, "model": spec.model, "blocks": labels}},
    }  # fmt: skip


def _tools(spec: AgentSpec) -> list[str]:
    return [*_SEARCH_TOOLS, *MEMORY_TOOLS, *(_ARCHIVAL_TOOLS if spec.archival else ())]


def _written(block: Block) -> dict[str, Any]:
    if problem := beyond(block, block.value):
        raise InvalidInput(problem, remedy="Shorten the value, or raise the block's limit.")
    return {
        "label": block.label, "value": block.value, "description": block.description or block.label,
        "limit": block.limit, "read_only": block.read_only,
    }  # fmt: skip


def _block(block: Any) -> Block:
    return Block(
        block.label or "", block.value, block.description or "", block.limit, block.read_only or False,
        _name(block), block.id,
    )  # fmt: skip


def _name(block: Any) -> str:
    """The name under which a block is shared; empty for one of a single agent."""
    tags: list[str] = block.tags or []
    return next((tag.removeprefix(_SHARED) for tag in tags if tag.startswith(_SHARED)), "")


def _metadata(agent: Any) -> dict[str, Any]:
    told = cast("dict[str, Any]", agent.metadata or {})
    return told.get(_OURS) or {}


def _info(agent: Any) -> AgentInfo:
    tags = tuple(tag for tag in agent.tags if tag != _OURS and not tag.startswith((_KEY, _SPEC)))
    ours = _metadata(agent)
    return AgentInfo(agent.id, ours.get("name", agent.name), tags, ours.get("model", ""))


def _place(labels: tuple[str, ...], label: str) -> tuple[int, str]:
    return (labels.index(label) if label in labels else len(labels), label)


def _speaks(model: Any) -> bool:
    return getattr(model, "api_model_type", "llm") != "embedding" and "embedding" not in str(model.handle)


def _spec_digest(spec: AgentSpec) -> str:
    """Of all that an agent is brought to; a block's value only counts when it is made."""
    return _digest([asdict(replace(block, value="", id="")) for block in spec.blocks] + [
        spec.name, spec.system, spec.model, spec.archival,
    ])  # fmt: skip


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
