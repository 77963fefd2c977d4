"""What spans a journal makes: one tree, the same whoever reads it, each call counted once."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.tracking.spans import Span, SpanType, trace_id
from atlas_mcp.observe.tracking.tracing import Trace
from tests.observe.tracking.journals import CHILD, ROOT, Journal, usage, whole_run

if TYPE_CHECKING:
    from collections.abc import Iterable


def spans_of(events: Iterable[Event], **about: str) -> list[Span]:
    trace = Trace(ROOT, **about)
    return [span for event in events for span in trace.take(event)]


def named(spans: Iterable[Span], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


def test_a_run_and_the_team_that_works_for_it_are_one_tree() -> None:
    spans = spans_of(whole_run().events)
    by_id = {span.span_id: span for span in spans}
    above = {span.name: by_id[span.parent_id].name if span.parent_id else "" for span in spans}
    assert above == {
        "team.atlas": "", "step.plan": "team.atlas", "chat.atlas.supervisor": "step.plan",
        "assign.research": "team.atlas", "team.research": "assign.research",
        "agent.research.reader": "team.research", "search_documents": "agent.research.reader",
        "chat.research.reader": "agent.research.reader",
    }  # fmt: skip
    assert {span.trace_id for span in spans} == {trace_id(ROOT)}


def test_the_trace_is_called_by_the_runs_own_number() -> None:
    assert trace_id(ROOT) == "01a225d054290345e81b75044a3e471f"
    assert trace_id("r_not-a-number") == trace_id("r_not-a-number") != trace_id("r_another")


def test_the_root_says_whose_run_it_is_what_was_asked_and_what_it_took() -> None:
    root = named(spans_of(whole_run().events, user="ada", project="tides"), "team.atlas")
    assert root.type is SpanType.WORKFLOW
    assert root.inputs == {"task": "When?"}
    assert (
        root.attributes | {"user.id": "ada", "atlas.project": "tides", "session.id": "s_1"} == root.attributes
    )
    assert root.attributes["atlas.state"] == "done"
    assert root.attributes["atlas.total.cost_usd"] == 0.02


def test_a_call_says_who_asked_whom_what_it_took_and_how_fast_it_was() -> None:
    chat = named(spans_of(whole_run().events), "chat.research.reader")
    assert chat.attributes == {
        "atlas.run_id": CHILD, "atlas.team": "research", "atlas.agent": "reader", "atlas.intent": "plan",
        "atlas.task": "planning", "atlas.call": 1, "atlas.seconds": 0.5, "atlas.cost_usd": 0.01,
        "atlas.usage.estimated": False, "gen_ai.operation.name": "chat", "gen_ai.provider.name": "v",
        "gen_ai.request.model": "m", "gen_ai.response.model": "m-1", "gen_ai.response.finish_reasons": "end",
        "gen_ai.response.time_to_first_chunk": 0.1, "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 2, "gen_ai.usage.cache_read.input_tokens": 1,
        "gen_ai.usage.cache_creation.input_tokens": 0, "gen_ai.usage.reasoning.output_tokens": 0,
        "mlflow.llm.model": "m-1", "mlflow.llm.provider": "v",
    }  # fmt: skip


def test_what_was_decided_is_a_moment_of_the_step_it_was_decided_in() -> None:
    (moment,) = named(spans_of(whole_run().events), "step.plan").moments
    assert (moment.name, moment.attributes) == ("plan.made", {"atlas.round": 1})
    assert moment.texts["reason"] == "It takes sources."


def test_a_failure_is_told_at_the_work_that_failed_with_its_code_and_its_words() -> None:
    journal = Journal()
    journal.begin()
    work = {"assignment": "a1", "worker": "reader"}
    journal.write(Kind.WORK_STARTED, actor="reader#a1", path="work/a1", goal="When?", **work)
    journal.ask("work/a1~2", "reader#a1")
    error = {"code": "overloaded", "message": "It is busy."}
    journal.write(
        Kind.MODEL_FAILED, actor="reader#a1", path="work/a1~2", provider="v:m", call=1, error=error,
        usage=usage(3, None),
    )  # fmt: skip
    journal.write(Kind.WORK_FAILED, actor="reader#a1", path="work/a1", error=error, **work)
    journal.end(state="failed", error=error)
    spans = spans_of(journal.events)
    chat, agent = named(spans, "chat.atlas.reader"), named(spans, "agent.atlas.reader")
    assert chat.parent_id == agent.span_id
    assert [(span.error, span.cause) for span in (chat, agent)] == [("overloaded", "It is busy.")] * 2
    assert "atlas.cost_usd" not in chat.attributes
    assert named(spans, "team.atlas").error == "overloaded"


def test_what_a_model_calls_and_is_no_tool_is_no_name_of_a_span() -> None:
    journal = Journal()
    journal.begin()
    said: dict[str, Any] = {"tool": "ACME buys Initech on Friday", "arguments": {}}
    journal.write(Kind.TOOL_STARTED, actor="reader#a1", path="work/a1", **said)
    journal.end()
    spans = spans_of(journal.events)
    assert {span.name for span in spans} == {"unknown_tool", "team.atlas"}
    assert "ACME" not in repr([(span.name, span.attributes) for span in spans])


def test_what_a_crash_left_open_is_interrupted_and_what_is_told_again_is_paid_once() -> None:
    journal = Journal()
    journal.begin()
    journal.step("plan")
    journal.ask("plan/1", "supervisor")
    journal.answer("plan/1", "supervisor")
    journal.ask("plan/1", "supervisor", call=2)
    journal.write(Kind.RUN_RESUMED, team="atlas", provider="v:m", language_model=True)
    journal.step("plan")
    for call in (1, 2):
        # The second was paid, and the process ended before anybody told so.
        journal.ask("plan/1", "supervisor", call=call)
        journal.answer("plan/1", "supervisor", call=call, replayed=True)
    journal.stepped("plan")
    journal.end()
    spans = spans_of(journal.events)
    chats = [span for span in spans if span.type is SpanType.CHAT_MODEL]
    assert [chat.error for chat in chats] == ["", "interrupted", "", ""]
    assert [chat.attributes.get("atlas.cost_usd") for chat in chats] == [0.01, None, None, 0.01]
    steps = [span for span in spans if span.name == "step.plan"]
    assert [step.error for step in steps] == ["interrupted", ""]


def test_a_child_whose_parent_never_told_of_it_hangs_from_the_whole() -> None:
    journal = Journal()
    journal.begin()
    journal.begin(CHILD, "research")
    journal.end(CHILD, "cancelled")
    spans = spans_of(journal.events)
    assert named(spans, "team.research").parent_id == journal_root(journal)


def test_what_memory_did_is_a_span_for_each_operation_and_store_that_began_so_long_before() -> None:
    journal = Journal()
    journal.begin()
    work = {"assignment": "a1", "worker": "reader"}
    journal.write(Kind.WORK_STARTED, actor="reader#a1", path="work/a1", goal="When?", **work)
    journal.remember(
        "work/a1", "reader#a1", ("search", "documents", 2, 0.05), ("keep", "documents", 1, 0.01),
        ("keep", "record", 1, 0.02), ("recall", "record", 4, 0.03),
    )  # fmt: skip
    found: dict[str, Any] = {"findings": 1, "drafts": 0, "dropped": 0, "seconds": 0.4}
    journal.write(Kind.WORK_FINISHED, actor="reader#a1", path="work/a1", **work, **found)
    journal.end()
    spans = spans_of(journal.events)
    told = [span for span in spans if span.type is SpanType.MEMORY]
    # What was recalled has a span of its own already, from the event that tells of it.
    assert [(span.name, span.attributes["atlas.memory.store"]) for span in told] == [
        ("memory.search", "documents"), ("memory.keep", "documents"), ("memory.keep", "record"),
    ]  # fmt: skip
    assert len({span.span_id for span in spans}) == len(spans)
    assert {span.parent_id for span in told} == {named(spans, "agent.atlas.reader").span_id}
    search = named(spans, "memory.search")
    assert search.end_ns - search.start_ns == 50_000_000
    assert search.attributes == {
        "atlas.run_id": ROOT, "atlas.team": "atlas", "atlas.agent": "reader",
        "atlas.memory.operation": "search", "atlas.memory.store": "documents", "atlas.memory.count": 2,
        "atlas.memory.items": 4, "atlas.memory.cache_hits": 1, "atlas.memory.errors": 0,
        "atlas.seconds": 0.05,
    }  # fmt: skip


def journal_root(journal: Journal) -> str:
    trace = Trace(ROOT)
    spans = [span for event in journal.events for span in trace.take(event)]
    if not trace.over:
        journal.end()
        spans = spans_of(journal.events)
    return named(spans, "team.atlas").span_id


@given(st.integers(0, 24))
def test_whoever_reads_a_journal_in_parts_makes_the_same_spans(cut: int) -> None:
    events = whole_run().events
    again = Trace(ROOT)
    first = [span for event in events[:cut] for span in again.take(event)]
    rest = [span for event in events[cut:] for span in again.take(event)]
    assert first + rest == spans_of(events)


KINDS = st.sampled_from("step ask answer use remember crash work worked failed".split())


@given(st.lists(st.tuples(KINDS, st.integers(1, 2))))
def test_whatever_happens_every_span_has_its_place_and_its_time_and_every_answer_is_counted_once(
    happened: list[tuple[str, int]],
) -> None:
    journal = Journal()
    journal.begin()
    asked: set[int] = set()
    answered: defaultdict[int, int] = defaultdict(int)
    for what, number in happened:
        _happen(journal, what, number, asked, answered)
    journal.end()
    spans = spans_of(journal.events)
    ids = [span.span_id for span in spans]
    assert len(set(ids)) == len(ids)
    roots = [span for span in spans if not span.parent_id]
    assert [root.name for root in roots] == ["team.atlas"]
    assert {span.parent_id for span in spans} - {""} <= set(ids)
    assert all(span.start_ns <= span.end_ns for span in spans)
    costs = [span.attributes.get("atlas.cost_usd", 0.0) for span in spans if span.type is SpanType.CHAT_MODEL]
    assert round(sum(float(each) for each in costs), 6) == round(sum(answered.values()) * 0.01, 6)


def _happen(
    journal: Journal, what: str, number: int, asked: set[int], answered: defaultdict[int, int]
) -> None:
    work: dict[str, Any] = {"assignment": f"a{number}", "worker": "reader"}
    about: dict[str, Any] = {"actor": f"reader#a{number}", "path": f"work/a{number}"}
    match what:
        case "step":
            journal.step(f"step{number}")
        case "ask":
            journal.ask(about["path"], about["actor"])
            asked.add(number)
        case "answer" if number in asked:
            journal.answer(about["path"], about["actor"])
            asked.discard(number)
            answered[number] += 1
        case "use":
            journal.use(about["path"], about["actor"])
        case "remember":
            took = [("keep", store, number, 0.1) for store in ("record", "chroma")]
            journal.remember(about["path"], about["actor"], *took)
        case "crash":
            journal.write(Kind.RUN_RESUMED, team="atlas", provider="v:m", language_model=True)
            asked.clear()
        case "work":
            journal.write(Kind.WORK_STARTED, goal="When?", **about, **work)
        case "worked":
            told: dict[str, Any] = {"findings": 1, "drafts": 0, "dropped": 0, "seconds": 0.1}
            journal.write(Kind.WORK_FINISHED, **about, **work, **told)
            asked.discard(number)
        case "failed":
            journal.write(Kind.WORK_FAILED, error={"code": "stalled", "message": "."}, **about, **work)
            asked.discard(number)
        case _:
            pass
