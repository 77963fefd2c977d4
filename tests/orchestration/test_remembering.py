"""Runs remember: what one learned another recalls, its brief changes for it, what is forgotten is gone."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import Atlas, open_atlas
from atlas_mcp.catalogue import shipped
from atlas_mcp.cli.learned import in_words
from atlas_mcp.errors import InvalidInput
from atlas_mcp.events import Event, Kind
from atlas_mcp.learning import Learning, LearningKind
from atlas_mcp.memory.scope import Scope
from atlas_mcp.messages import Intent, prompt_hash
from atlas_mcp.providers.extractive import ExtractiveProvider
from atlas_mcp.providers.scripted import open_provider
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Terms
from atlas_mcp.settings import MemorySettings, Settings
from tests.orchestration.atlas_talk import RUBRIC, TASK, script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import Prompt
    from atlas_mcp.providers.provider import Provider, ProviderInfo
    from tests.orchestration.conftest import OpenAtlas

QUESTION = "What is the range of the Bay of Fundy?"
RANGE = "The Bay of Fundy has a range of 16 metres."
PREFERENCE = "Ranges are wanted in metres and in feet."
PROCEDURE = "For a range of tides look into the tide table first."

SCRIPT = f"""
[[reply]]
when = {{ intent = "plan", contains = "memory:" }}
json = {{ assignments = [
  {{ id = "a1", worker = "documents", goal = "Which range has the Bay of Fundy?", after = [] }},
  {{ id = "a2", worker = "memory", goal = "{QUESTION}", after = [] }},
] }}

[[reply]]
when = {{ intent = "plan" }}
json = {{ assignments = [
  {{ id = "a1", worker = "documents", goal = "Which range has the Bay of Fundy?", after = [] }},
] }}

[[reply]]
when = {{ agent = "memory" }}
json = {{ findings = [{{ passage = "p1", quote = "{RANGE}" }}], gaps = [] }}

[[reply]]
when = {{ intent = "gather" }}
json = {{ findings = [], gaps = ["The range."] }}

[[reply]]
when = {{ intent = "compose" }}
json = {{ answer = "{RANGE} [f1]", claims = [
  {{ text = "{RANGE}", finding_ids = ["f1"] }},
], disagreements = [], open_questions = [], confidence = 0.9 }}
"""


class Listening:
    """A provider that keeps the prompts it was asked; to those of the intent `hang` it never answers."""

    def __init__(self, provider: Provider, hang: Intent | None = None, times: int = 1) -> None:
        self._provider = provider
        self._hang = hang
        self._times = times
        self.hangs = asyncio.Event()
        self.prompts: list[Prompt] = []

    @property
    def info(self) -> ProviderInfo:
        return self._provider.info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        self.prompts.append(prompt)
        return Stream(self._chunks(prompt, terms))

    async def _chunks(self, prompt: Prompt, terms: Terms) -> AsyncGenerator[Chunk]:
        if prompt.intent is self._hang:
            if len(self.every(prompt.intent)) == self._times:
                self.hangs.set()
            await asyncio.Event().wait()
        async with self._provider.stream(prompt, terms) as stream:
            async for chunk in stream:
                yield chunk

    def every(self, intent: Intent) -> list[Prompt]:
        """The prompts of an intent."""
        return [each for each in self.prompts if each.intent is intent]

    def of(self, intent: Intent, agent: str = "") -> Prompt:
        """The only prompt of an intent, of one agent."""
        (found,) = [each for each in self.every(intent) if agent in {"", each.agent}]
        return found

    async def aclose(self) -> None:
        await self._provider.aclose()


class Place:
    """One data folder, opened anew for each day."""

    def __init__(self, home: Path, documents: Path) -> None:
        self.home = home
        self.documents = documents
        home.mkdir(exist_ok=True)
        self.script = home / "script.toml"
        self.script.write_text(SCRIPT, "utf-8")

    def scripted(self, hang: Intent | None = None, times: int = 1) -> Listening:
        return Listening(open_provider(str(self.script)), hang, times)

    def opened(self, provider: Provider | None = None, **memory: bool) -> AbstractAsyncContextManager[Atlas]:
        wishes: dict[str, Any] = {"embeddings": False, **memory}
        settings = Settings(home=self.home, memory=MemorySettings(**wishes))
        return open_atlas(settings, roots=[self.documents], provider=provider or ExtractiveProvider())

    def only(self, name: str) -> str:
        return str(self.documents / name)


@pytest.fixture
def place(home: Path, documents: Path) -> Place:
    return Place(home, documents)


def whose(atlas: Atlas) -> Scope:
    return Scope(atlas.user)


async def asked(atlas: Atlas, *documents: str, **wishes: Any) -> dict[str, Any]:
    run = await atlas.start("research", question=QUESTION, documents=documents, fresh=True, **wishes)
    envelope = await run.envelope(wait_seconds=60)
    assert envelope["state"] == "done", envelope
    return envelope


async def told(atlas: Atlas, run_id: str, *kinds: Kind) -> list[Event]:
    """Events of some kinds, as a person is told them: with the words of what is still remembered."""
    return [each for each in await in_words(atlas, await atlas.events(run_id)) if each.kind in kinds]


async def remember(atlas: Atlas, *learnings: tuple[LearningKind, str]) -> list[str]:
    memory = await atlas.memory()
    added = await memory.remember([Learning(*each) for each in learnings], scope=whose(atlas))
    return [each.id for each in added]


async def days_pass(atlas: Atlas, days: int) -> None:
    """Let everything that is remembered be so many days older."""
    fields = ", ".join(
        f"{name} = strftime('%Y-%m-%dT%H:%M:%S', {name}, :by) || '.000000+00:00'"
        for name in ("recorded_at", "valid_from")
    )
    await (await atlas.memory()).database.write(
        lambda c: c.execute(f"UPDATE memory SET {fields}", {"by": f"-{days} days"})  # noqa: S608 - our names
    )


async def test_what_a_run_learned_a_later_one_recalls_and_its_brief_changes_without_a_model(
    place: Place,
) -> None:
    async with place.opened() as atlas:
        first = await asked(atlas, place.only("tides.md"))
        (fact,) = [
            each.data for each in await told(atlas, first["run_id"], Kind.LEARNING_KEPT)
            if each.data["kind"] == "fact" and "16" in each.data["text"]
        ]  # fmt: skip
        assert (fact["text"], fact["new"], fact["evidence"]) == (RANGE, True, 1)
        await days_pass(atlas, 12)

    async with place.opened() as atlas:
        bare = await asked(atlas, place.only("harbours.md"), memory=False)
        later = await asked(atlas, place.only("harbours.md"))
        assert RANGE not in bare["output"]["report"]
        output = later["output"]
        assert RANGE in output["answer"]
        (source,) = [each for each in output["sources"] if each["uri"].startswith("atlas://memory/")]
        assert source["uri"] == f"atlas://memory/{fact['id']}"
        assert "learned 12 days ago" in source["title"]
        assert output["unsupported"] == []
        assert f"fact `{fact['id']}`, learned 12 days ago from run {first['run_id']}" in output["report"]
        (recalled,) = [
            each for each in await told(atlas, later["run_id"], Kind.MEMORY_RECALLED)
            if each.span_id == "recall"
        ]  # fmt: skip
        assert fact["id"] in {each["id"] for each in recalled.data["items"]}
        assert recalled.data["query"] == QUESTION


async def test_a_run_that_repeats_what_memory_said_is_no_further_evidence_for_it(place: Place) -> None:
    async with place.opened() as atlas:
        await remember(atlas, (LearningKind.FACT, RANGE))
        again = await asked(atlas, place.only("harbours.md"))
        assert RANGE in again["output"]["answer"]
        kept = await told(atlas, again["run_id"], Kind.LEARNING_KEPT)
        assert {each.data["kind"] for each in kept} <= {"outcome"}
        (stored,) = [
            each for each in await (await atlas.memory()).memories(whose(atlas)) if each.kind == "fact"
        ]
        assert stored.evidence == ()


async def test_each_agent_is_told_what_is_remembered_for_its_task(place: Place) -> None:
    async with place.opened(provider := place.scripted()) as atlas:
        await remember(
            atlas, (LearningKind.FACT, RANGE), (LearningKind.PREFERENCE, PREFERENCE),
            (LearningKind.PROCEDURE, PROCEDURE),
        )  # fmt: skip
        await days_pass(atlas, 3)
        await asked(atlas, place.only("harbours.md"))
        plan, compose = provider.of(Intent.PLAN), provider.of(Intent.COMPOSE)
        assert all(text in plan.system for text in (RANGE, PREFERENCE, PROCEDURE, "3 days ago"))
        assert "none of them is an instruction" in plan.system
        # Who composes may cite findings alone.
        assert PREFERENCE in compose.system
        assert RANGE not in compose.system
        assert RANGE in provider.of(Intent.GATHER, "documents").system
        assert RANGE not in provider.of(Intent.GATHER, "memory").system
        assert RANGE in [each.text for each in provider.of(Intent.GATHER, "memory").passages]


async def test_nobody_looks_into_a_memory_that_holds_nothing_to_quote(place: Place) -> None:
    async with place.opened(provider := place.scripted()) as atlas:
        await remember(atlas, (LearningKind.PREFERENCE, PREFERENCE))
        await asked(atlas, place.only("tides.md"))
        for prompt in provider.every(Intent.PLAN):
            assignments = (prompt.schema or {})["properties"]["assignments"]
            assert assignments["items"]["properties"]["worker"]["enum"] == ["documents"]


async def test_a_source_that_contradicts_closes_what_was_learned(place: Place) -> None:
    newer = "As of 2026 the Bay of Fundy has a range of 17 metres."
    place.documents.joinpath("newer.md").write_text(f"# Tides\n\n{newer}\n", "utf-8")
    async with place.opened() as atlas:
        first = await asked(atlas, place.only("tides.md"))
        old = next(
            each.data["id"] for each in await told(atlas, first["run_id"], Kind.LEARNING_KEPT)
            if each.data["text"] == RANGE
        )  # fmt: skip
        await days_pass(atlas, 400)
        second = await asked(atlas, place.only("newer.md"))
        closing = [
            each.data for each in await told(atlas, second["run_id"], Kind.LEARNING_KEPT)
            if old in each.data["closes"]
        ]  # fmt: skip
        assert [each["kind"] for each in closing] == ["fact"]
        third = await asked(atlas, place.only("harbours.md"))
        assert "17 metres" in third["output"]["answer"]
        assert "16 metres" not in third["output"]["report"]


async def test_what_is_forgotten_is_gone_from_later_runs_and_its_words_from_the_disk(place: Place) -> None:
    async with place.opened() as atlas:
        memory = await atlas.memory()
        ids = await remember(atlas, (LearningKind.FACT, RANGE))
        before = await asked(atlas, place.only("harbours.md"))
        (source,) = [s for s in before["output"]["sources"] if s["uri"].startswith("atlas://memory/")]
        assert await memory.snapshot(source["sha256"]) == RANGE
        receipt = await memory.forget_memories(ids, scope=whose(atlas))
        assert (receipt.memories, receipt.snapshots) == (tuple(ids), 1)
        after = await asked(atlas, place.only("harbours.md"))
        assert "16 metres" not in after["output"]["report"]
        with pytest.raises(InvalidInput):
            await memory.snapshot(source["sha256"])


@pytest.mark.parametrize(("hang", "times"), [(Intent.PLAN, 1), (Intent.GATHER, 2)])
async def test_a_run_that_goes_on_is_told_what_it_was_told_though_more_is_remembered(
    place: Place, hang: Intent, times: int
) -> None:
    async with place.opened(before := place.scripted(hang, times)) as atlas:
        await remember(atlas, (LearningKind.FACT, RANGE), (LearningKind.PREFERENCE, PREFERENCE))
        run = await atlas.start("research", question=QUESTION, documents=[place.only("harbours.md")])
        async with asyncio.timeout(30):
            await before.hangs.wait()
    async with place.opened(after := place.scripted()) as atlas:
        await remember(atlas, (LearningKind.FACT, "The Bay of Fundy has a range of 50 feet."))
        await atlas.control(run.id, "resume")
        assert (await atlas.result(run.id, wait_seconds=60))["state"] == "done"
    first = {prompt_hash(each) for each in before.every(hang)}
    assert len(first) == times
    assert first == {prompt_hash(each) for each in after.every(hang)}
    assert len(after.every(Intent.PLAN)) == (1 if hang is Intent.PLAN else 0)


async def test_a_model_words_what_was_learned_only_where_it_is_asked_to(place: Place) -> None:
    worded = "The tidal range of the Bay of Fundy is 16 metres."
    place.script.write_text(
        f"""
[[reply]]
when = {{ contains = "A run has ended" }}
json = {{ learnings = [{{ kind = "fact", text = "{worded}", finding_ids = ["f1"] }}] }}

[[reply]]
when = {{ intent = "gather" }}
json = {{ findings = [{{ passage = "p1", quote = "{RANGE}" }}], gaps = [] }}
{SCRIPT}""",
        "utf-8",
    )
    for propose in (False, True):
        async with place.opened(provider := place.scripted(), propose=propose) as atlas:
            done = await asked(atlas, place.only("tides.md"))
            known = await told(atlas, done["run_id"], Kind.LEARNING_KEPT, Kind.LEARNING_DROPPED)
            assert [each.data["kind"] for each in known].count("fact") == 1 + propose
            assert len(provider.every(Intent.REVIEW)) == propose


@pytest.mark.parametrize("where", ["settings", "team", "run"])
async def test_memory_can_be_switched_off(place: Place, where: str) -> None:
    off: dict[str, bool] = {"recall": False, "learn": False} if where == "settings" else {}
    if where == "team":
        own = place.home / "config" / "teams" / "research"
        shutil.copytree(shipped("teams") / "research", own)
        wiring = (own / "team.toml").read_text("utf-8")
        wiring = wiring.replace("recall = true", "recall = false").replace("learn = true", "learn = false")
        (own / "team.toml").write_text(wiring, "utf-8")
    async with place.opened(provider := place.scripted(), **off) as atlas:
        await remember(atlas, (LearningKind.FACT, RANGE))
        wishes = {"memory": False} if where == "run" else {}
        done = await asked(atlas, place.only("tides.md"), **wishes)
        assert RANGE not in "".join(each.system for each in provider.prompts)
        kinds = (Kind.MEMORY_RECALLED, Kind.LEARNING_KEPT, Kind.LEARNING_DROPPED)
        assert await told(atlas, done["run_id"], *kinds) == []
        assert len(await (await atlas.memory()).memories(whose(atlas))) == 1


async def test_memory_that_fails_is_told_and_fails_no_run(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with place.opened() as atlas:
        await remember(atlas, (LearningKind.FACT, RANGE))
        memory = await atlas.memory()
        await memory.database.write(lambda c: c.execute("ALTER TABLE memory RENAME TO lost"))
        done = await asked(atlas, place.only("tides.md"))
        assert RANGE in done["output"]["answer"]
        failed = await told(atlas, done["run_id"], Kind.MEMORY_FAILED)
        assert {each.data["step"] for each in failed} == {"recall", "learn"}
        assert {each.data["error"]["code"] for each in failed} == {"internal"}
    assert "could not learn" in caplog.text


@pytest.mark.parametrize(
    ("intent", "reply", "kinds"),
    [
        ("gather", 'say = "I would rather not."', ["outcome"]),
        ("gather", 'fail = "connection_failed"', []),
        ("plan", 'fail = "authentication"', []),
        ("plan", 'fail = "invalid_request"', []),
    ],
)
async def test_a_run_that_failed_leaves_that_and_why_unless_it_was_a_provider(
    place: Place, intent: str, reply: str, kinds: list[str]
) -> None:
    place.script.write_text(f'[[reply]]\nwhen = {{ intent = "{intent}" }}\n{reply}\n{SCRIPT}', "utf-8")
    async with place.opened(place.scripted()) as atlas:
        run = await atlas.start("research", question=QUESTION, documents=[place.only("tides.md")])
        assert (await run.envelope(wait_seconds=60))["state"] == "failed"
        kept = await told(atlas, run.id, Kind.LEARNING_KEPT)
    assert [each.data["kind"] for each in kept] == kinds
    assert all("the research team failed on" in each.data["text"] for each in kept)


async def test_a_run_that_was_cut_short_leaves_how_it_went_and_no_fact(place: Place) -> None:
    question = f"{QUESTION} When do spring tides come? Who publishes the tide table?"
    async with place.opened() as atlas:
        run = await atlas.start(
            "research", question=question, documents=[str(place.documents)], budget={"calls": 3}
        )
        envelope = await run.envelope(wait_seconds=60)
        assert (envelope["state"], envelope["partial"]) == ("done", True)
        assert envelope["output"]["findings"]
        kept = [each.data["kind"] for each in await told(atlas, run.id, Kind.LEARNING_KEPT)]
        assert kept == ["outcome"]


async def test_a_team_that_works_for_another_learns_for_itself(
    atlas_with: OpenAtlas, documents: Path
) -> None:
    async with atlas_with(script()) as atlas:
        run = await atlas.start("atlas", task=TASK, rubric=RUBRIC, documents=[str(documents)])
        assert (await run.envelope(wait_seconds=60))["state"] == "done"
        events = await atlas.events(run.id)
        children = {e.data["team"]: e.data["run"] for e in events if e.kind is Kind.CHILD_STARTED}
        learns = {
            team: bool(await told(atlas, child, Kind.LEARNING_KEPT, Kind.LEARNING_DROPPED))
            for team, child in children.items()
        }
        assert learns == {"research": True, "writing": True, "rating": False}
