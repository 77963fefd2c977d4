"""What every place where agents live has to do: one suite, run on each.

A subclass brings a fixture `place`: the runtime, and a way to get a model that answers by a script. Agents of
earlier tests may still be there, so each test makes its own, by tags of their own. Scripts tell prompts by
`contains` alone, since what else a prompt says of itself does not come through every runtime.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from ulid import ULID

from atlas_mcp.agents.runtime import Block
from atlas_mcp.chunks import TextDelta
from atlas_mcp.errors import AtlasError, InvalidInput, UnknownAgent
from atlas_mcp.messages import Material, Passage, Source, ToolResult
from atlas_mcp.providers.terms import TERMS
from tests.agents.runtime_place import (
    LOOK_UP,
    Place,
    call,
    called,
    edit,
    ended,
    say,
    seen,
    spec,
    spoken,
    take,
    turn,
    values,
)

__all__ = ["RuntimeContract"]

NOBODY = "agent-00000000-0000-4000-8000-000000000000"


class RuntimeContract:
    """The suite; a subclass gives `place`."""

    # Agents

    async def test_it_says_whether_it_can_be_used(self, place: Place) -> None:
        health = await place.runtime.health()
        assert health.ok
        assert health.kind
        assert health.version
        assert not health.reason

    async def test_the_same_tags_name_the_same_agent(self, place: Place) -> None:
        asked = spec()
        first = await place.runtime.ensure_agent(asked)
        again = await place.runtime.ensure_agent(replace(asked, tags=asked.tags[::-1]))
        assert again.id == first.id
        assert set(first.tags) == set(asked.tags)
        more = await place.runtime.ensure_agent(replace(asked, tags=(*asked.tags, "more")))
        assert more.id != first.id

    async def test_agents_that_are_wished_for_at_once_are_one(self, place: Place) -> None:
        asked = spec(Block("human", "Nobody yet."))
        made = await asyncio.gather(*(place.runtime.ensure_agent(asked) for _ in range(4)))
        assert len({agent.id for agent in made}) == 1
        assert [agent.id for agent in await place.runtime.list_agents(asked.tags)] == [made[0].id]

    async def test_agents_are_found_by_tags(self, place: Place) -> None:
        own = f"group:{ULID()}"
        one = await place.runtime.ensure_agent(spec(tags=(own, "one")))
        two = await place.runtime.ensure_agent(spec(tags=(own, "two")))
        assert {agent.id for agent in await place.runtime.list_agents([own])} == {one.id, two.id}
        assert [agent.id for agent in await place.runtime.list_agents([own, "two"])] == [two.id]
        assert await place.runtime.list_agents([own, "three"]) == []

    async def test_an_agent_is_brought_to_what_is_wished_for(self, place: Place) -> None:
        asked = spec(Block("human", "Nobody yet.", "Who asks."))
        agent = await place.runtime.ensure_agent(asked)
        await place.runtime.write_block(agent.id, "human", "Ada.")
        wished = replace(
            asked,
            system="You are the writer.",
            blocks=(Block("task", "None.", "What is to do."), Block("human", "Nobody yet.", "Who it is.")),
        )
        assert (await place.runtime.ensure_agent(wished)).id == agent.id
        blocks = {block.label: block for block in await place.runtime.blocks(agent.id)}
        assert blocks["human"].value == "Ada.", "what was edited stays"
        assert blocks["human"].description == "Who it is."
        assert blocks["task"].value == "None."
        model = await place.model(say("Here."))
        await take(place, agent, model, "Are you there?")
        assert "You are the writer." in model.asked[-1].system
        assert "You are the reader." not in model.asked[-1].system

    async def test_a_deleted_agent_is_unknown(self, place: Place) -> None:
        asked = spec(Block("human", "Ada."))
        agent = await place.runtime.ensure_agent(asked)
        await place.runtime.delete_agent(agent.id)
        with pytest.raises(UnknownAgent):
            await place.runtime.blocks(agent.id)
        assert await place.runtime.list_agents(asked.tags) == []

    async def test_nobody_is_asked_who_is_not_known(self, place: Place) -> None:
        model = await place.model(say("Who is there?"))
        runtime = place.runtime
        with pytest.raises(UnknownAgent):
            await runtime.blocks(NOBODY)
        with pytest.raises(UnknownAgent):
            await runtime.write_block(NOBODY, "human", "Ada.")
        with pytest.raises(UnknownAgent):
            await runtime.archive(NOBODY, "A passage.")
        with pytest.raises(UnknownAgent):
            await runtime.search_archive(NOBODY, "passage")
        with pytest.raises(UnknownAgent):
            await runtime.unarchive(NOBODY, "birds")
        with pytest.raises(UnknownAgent):
            await runtime.history(NOBODY, "t")
        with pytest.raises(UnknownAgent):
            await runtime.delete_agent(NOBODY)
        with pytest.raises(UnknownAgent):
            async for _ in runtime.turn(NOBODY, "t", turn("Hello?"), provider=model, terms=TERMS):
                pass
        assert model.asked == []

    # Blocks

    async def test_blocks_stand_in_the_prompt_with_what_they_are_for_and_their_limit(
        self, place: Place
    ) -> None:
        agent = await place.runtime.ensure_agent(
            spec(Block("human", "Likes green tea.", "Whom we serve.", limit=321))
        )
        model = await place.model(say("Hello."))
        await take(place, agent, model, "Hello?")
        system = model.asked[-1].system
        assert "You are the reader." in system
        for piece in ("<memory_blocks>", "<human>", "Likes green tea.", "Whom we serve.", "chars_limit=321"):
            assert piece in system

    async def test_a_block_that_was_written_stands_in_the_next_prompt(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("human", "Likes green tea.")))
        model = await place.model(say("Hello."))
        await take(place, agent, model, "Hello?")
        written = await place.runtime.write_block(agent.id, "human", "Likes coffee.")
        assert (written.label, written.value) == ("human", "Likes coffee.")
        await take(place, agent, model, "And now?")
        assert "Likes coffee." in model.asked[-1].system
        assert "Likes green tea." not in model.asked[-1].system

    async def test_what_is_longer_than_a_block_is_refused_and_nothing_is_cut(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("human", "Ada.", limit=10)))
        with pytest.raises(InvalidInput, match="10"):
            await place.runtime.write_block(agent.id, "human", "x" * 11)
        assert await values(place, agent) == {"human": "Ada."}
        await place.runtime.write_block(agent.id, "human", "x" * 10)
        assert await values(place, agent) == {"human": "x" * 10}

    async def test_a_block_that_is_not_there_cannot_be_written(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("human", "Ada.")))
        with pytest.raises(InvalidInput, match="wisdom"):
            await place.runtime.write_block(agent.id, "wisdom", "All of it.")

    async def test_a_shared_block_is_one_for_all_who_name_it(self, place: Place) -> None:
        shared = Block("team", "Nothing decided.", shared=f"team-{ULID()}")
        one = await place.runtime.ensure_agent(spec(shared))
        two = await place.runtime.ensure_agent(spec(shared))
        alone = await place.runtime.ensure_agent(spec(Block("team", "Nothing decided.")))
        model = await place.model(edit("memory_insert", "label = 'team', new_string = 'We ship in May.'"))
        await take(place, one, model, "Please edit.")
        assert "We ship in May." in (await values(place, two))["team"]
        assert await values(place, alone) == {"team": "Nothing decided."}
        await take(place, two, await place.model(say("I know.")), "Do you know?")
        await place.runtime.delete_agent(one.id)
        assert "We ship in May." in (await values(place, two))["team"], "another has it still"

    # What an agent does to its memory

    @pytest.mark.parametrize(
        ("name", "arguments", "after"),
        [
            ("memory_insert", "label = 'human', new_string = 'Likes tea.'", "Name: Ada.\nLikes tea."),
            ("memory_replace", "label = 'human', old_string = 'Ada', new_string = 'Bea'", "Name: Bea."),
        ],
    )
    async def test_an_agent_edits_its_memory_and_goes_on(
        self, place: Place, name: str, arguments: str, after: str
    ) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("human", "Name: Ada.")))
        model = await place.model(edit(name, arguments))
        steps = await take(place, agent, model, "Please edit.")
        assert ended(steps).text == "I have tried."
        assert ended(steps).reason == "end_turn"
        assert await values(place, agent) == {"human": after}
        await take(place, agent, model, "What do you know?", thread="another")
        assert after.splitlines()[-1] in model.asked[-1].system

    async def test_an_edit_of_what_may_only_be_read_is_refused_and_the_turn_goes_on(
        self, place: Place
    ) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("law", "Be kind.", read_only=True)))
        model = await place.model(
            edit("memory_replace", "label = 'law', old_string = 'kind', new_string = 'x'")
        )
        steps = await take(place, agent, model, "Please edit.")
        assert ended(steps).text == "I have tried."
        assert await values(place, agent) == {"law": "Be kind."}

    async def test_an_edit_of_text_that_is_not_there_is_refused_and_the_turn_goes_on(
        self, place: Place
    ) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("human", "Name: Ada.")))
        model = await place.model(
            edit("memory_replace", "label = 'human', old_string = 'Eve', new_string = 'Bea'")
        )
        assert ended(await take(place, agent, model, "Please edit.")).text == "I have tried."
        assert await values(place, agent) == {"human": "Name: Ada."}

    # Turns

    async def test_a_turn_is_heard_in_pieces_and_ends_with_the_whole(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(say("The Moon pulls at the sea, and the sea follows.", more="tokens = 6"))
        steps = await take(place, agent, model, "Why are there tides?")
        assert len(spoken(steps)) > 1
        assert "".join(spoken(steps)) == ended(steps).text
        assert ended(steps).text == "The Moon pulls at the sea, and the sea follows."
        assert ended(steps).reason == "end_turn"

    async def test_a_turn_says_what_it_took(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(Block("human", "Name: Ada.")))
        model = await place.model(edit("memory_insert", "label = 'human', new_string = 'Likes tea.'"))
        usage = ended(await take(place, agent, model, "Please edit.")).usage
        assert usage.calls == len(model.asked) == 2
        assert usage.input_tokens > 0
        assert usage.output_tokens > 0

    async def test_material_reaches_the_model(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(say("Read."))
        shown = Passage("p7", Source("ab", "file:///t", "Tides", "2026-01-01"), "The Moon pulls.", 0)
        await take(place, agent, model, turn("Read this.", material=Material(passages=(shown,))))
        assert "Read this." in seen(model.asked[-1])
        assert "The Moon pulls." in seen(model.asked[-1])
        assert "p7" in seen(model.asked[-1])

    async def test_a_tool_of_the_caller_ends_the_turn_and_its_result_goes_on_with_it(
        self, place: Place
    ) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(
            say("It is a planet.", "found: a planet") + call("look_up", "word = 'Mars'", "Mars?")
        )
        calls = called(await take(place, agent, model, turn("What is Mars?", tools=(LOOK_UP,))))
        assert [(made.name, made.arguments) for made in calls] == [("look_up", {"word": "Mars"})]
        assert "look_up" in {tool.name for tool in model.asked[0].tools}
        result = ToolResult(calls[0].id, "found: a planet")
        steps = await take(place, agent, model, turn((result,), tools=(LOOK_UP,)))
        assert ended(steps).text == "It is a planet."
        assert ended(steps).reason == "end_turn"

    async def test_a_tool_that_failed_is_told_and_the_turn_goes_on(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(
            say("I do not know.", "no such word") + call("look_up", "word = 'Mras'", "Mras?")
        )
        calls = called(await take(place, agent, model, turn("What is Mras?", tools=(LOOK_UP,))))
        result = ToolResult(calls[0].id, "no such word", error=True)
        assert ended(await take(place, agent, model, turn((result,), tools=(LOOK_UP,)))).text == (
            "I do not know."
        )

    async def test_the_same_turn_again_gives_what_it_gave_and_asks_nobody(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(
            say("It is a planet.", "found: a planet") + call("look_up", "word = 'Mars'", "Mars?")
        )
        asked = turn("What is Mars?", tools=(LOOK_UP,))
        calls = called(await take(place, agent, model, asked))
        assert called(await take(place, agent, model, asked)) == calls
        assert len(model.asked) == 1
        answer = turn((ToolResult(calls[0].id, "found: a planet"),), tools=(LOOK_UP,))
        first = await take(place, agent, model, answer)
        again = await take(place, agent, model, answer)
        assert len(model.asked) == 2
        assert ended(again) == ended(first)
        assert "".join(spoken(again)) == "It is a planet."
        with pytest.raises(InvalidInput, match="id"):
            await take(place, agent, model, replace(asked, input="What is Venus?"))

    async def test_turns_that_are_taken_at_once_in_a_thread_follow_one_another(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(say("Heard.", more="seconds = 0.1"))
        await asyncio.gather(*(take(place, agent, model, f"This is number {n}.") for n in range(3)))
        told = [
            recalled.role
            for recalled in await place.runtime.history(agent.id, "t")
            if recalled.role in {"user", "assistant"}
        ]
        assert told == ["user", "assistant"] * 3

    async def test_who_leaves_in_the_middle_stops_the_model_and_the_thread_goes_on(
        self, place: Place
    ) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(
            say("I am back.", "Come back") + say("word " * 200, more="tokens = 200\nseconds = 60")
        )
        taking = place.runtime.turn(agent.id, "t", turn("Talk on."), provider=model, terms=TERMS)
        async with aclosing(taking):
            async for step in taking:
                if isinstance(step, TextDelta):
                    break
        async with asyncio.timeout(20):
            await model.left.wait()
        steps = await take(place, agent, model, "Come back.")
        assert ended(steps).text == "I am back."
        told = [recalled.text for recalled in await place.runtime.history(agent.id, "t")]
        assert any("Talk on." in text for text in told)

    async def test_a_model_that_fails_ends_the_turn_and_the_thread_goes_on(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(say("I am well.", "How are you") + "[[reply]]\nfail = 'invalid_request'\n")
        with pytest.raises(AtlasError):
            await take(place, agent, model, "Fail.")
        assert ended(await take(place, agent, model, "How are you?")).text == "I am well."

    # Threads

    async def test_a_thread_is_remembered_and_others_do_not_hear_of_it(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(say("Noted."))
        await take(place, agent, model, "The word is heron.", thread="one")
        await take(place, agent, model, "What is the word?", thread="one")
        assert "heron" in seen(model.asked[-1])
        await take(place, agent, model, "What is the word?", thread="two")
        assert "heron" not in seen(model.asked[-1])
        assert all("heron" not in told.text for told in await place.runtime.history(agent.id, "two"))

    async def test_history_is_the_last_messages_oldest_first(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec())
        model = await place.model(say("Second.", "Two.") + say("First."))
        await take(place, agent, model, "One.")
        await take(place, agent, model, "Two.")
        told = await place.runtime.history(agent.id, "t")
        heard = [(one.role, one.text) for one in told if one.role in {"user", "assistant"}]
        assert heard == [
            ("user", "One."),
            ("assistant", "First."),
            ("user", "Two."),
            ("assistant", "Second."),
        ]
        assert [one.text for one in await place.runtime.history(agent.id, "t", limit=1)] == ["Second."]
        assert await place.runtime.history(agent.id, "never") == []

    # Archive

    async def test_what_is_archived_is_found_by_its_owner(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(archival=True))
        other = await place.runtime.ensure_agent(spec(archival=True))
        kept = await place.runtime.archive(agent.id, "Herons nest in tall trees.", ["birds"])
        await place.runtime.archive(agent.id, "The tide turns twice a day.", ["sea"])
        found = await place.runtime.search_archive(agent.id, "Where do herons nest?")
        assert found[0].text == "Herons nest in tall trees."
        assert found[0].id == kept.id
        assert found[0].tags == ("birds",)
        by_tag = await place.runtime.search_archive(agent.id, "tide", tags=["sea"])
        assert [passage.text for passage in by_tag] == ["The tide turns twice a day."]
        assert await place.runtime.search_archive(other.id, "herons") == []

    async def test_a_query_without_a_word_finds_the_newest(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(archival=True))
        for text, tag in (("Herons nest.", "birds"), ("The tide turns.", "sea"), ("Owls hunt.", "birds")):
            await place.runtime.archive(agent.id, text, [tag])
        newest = await place.runtime.search_archive(agent.id, "", k=2)
        assert [passage.text for passage in newest] == ["Owls hunt.", "The tide turns."]
        birds = await place.runtime.search_archive(agent.id, "", tags=["birds"])
        assert [passage.text for passage in birds] == ["Owls hunt.", "Herons nest."]

    async def test_the_passages_of_a_tag_are_taken_out_and_no_others(self, place: Place) -> None:
        agent = await place.runtime.ensure_agent(spec(archival=True))
        other = await place.runtime.ensure_agent(spec(archival=True))
        for text, tags in (
            ("Herons nest.", ["birds", "trees"]),
            ("Owls hunt.", ["birds"]),
            ("It turns.", []),
        ):
            await place.runtime.archive(agent.id, text, tags)
        await place.runtime.archive(other.id, "Gulls cry.", ["birds"])
        assert await place.runtime.unarchive(agent.id, "birds") == 2
        assert await place.runtime.unarchive(agent.id, "birds") == 0
        left = await place.runtime.search_archive(agent.id, "", k=9)
        assert [passage.text for passage in left] == ["It turns."]
        assert len(await place.runtime.search_archive(other.id, "gulls", tags=["birds"])) == 1
