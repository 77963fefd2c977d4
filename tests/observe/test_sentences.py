from __future__ import annotations

from atlas_mcp.events import Event, Kind
from atlas_mcp.observe.sentences import PASSING, SILENT, sentence, shortened


def told(kind: Kind, **data: object) -> str | None:
    return sentence(Event("r_1", 1, "2026-01-01T00:00:00+00:00", kind, "documents#a2", "", data))


def test_events_are_told_as_a_person_would() -> None:
    assert told(Kind.DOCUMENTS_READ, label="reading 3 of 12") == "documents: reading 3 of 12"
    assert told(Kind.WORK_FINISHED, findings=4) == "documents#a2: 4 findings"
    assert told(Kind.WORK_FAILED, error={"message": "No."}) == "documents#a2: failed: No."
    assert told(Kind.PLAN_MADE, assignments=[1]) == "plan: 1 assignment"
    assert told(Kind.TOOL_STARTED, tool="search_documents") == "documents#a2: search documents"
    assert told(Kind.TASK_DETECTED, task="analysis") == "documents#a2: takes it as analysis"
    fitted = {"before": 41_000, "after": 24_000, "left_out": ["p1"]}
    assert told(Kind.CONTEXT_FITTED, **fitted) == (
        "documents#a2: fits 41,000 tokens into 24,000, 1 piece left out"
    )
    assert told(Kind.RUN_FINISHED, state="done", partial=True) == "run: done, partial"
    assert (
        told(Kind.CHECK_FINISHED, claims=5, quotes=1, unsupported=2)
        == "check: 5 claims, 1 quote verified, 2 not supported"
    )
    assert (
        told(Kind.CHECK_FINISHED, claims=5, quotes=1, unsupported=0, score=4.26)
        == "check: 5 claims, 1 quote verified, measured 4.3 of 5"
    )
    assert told(Kind.CHECK_FINISHED, claims=0, quotes=0, unsupported=0, score=None) == (
        "check: 0 claims, 0 quotes verified"
    )


def test_only_these_events_say_nothing_to_a_person() -> None:
    assert {
        Kind.RUN_STARTED, Kind.CONTROL_RECEIVED, Kind.STEP_FINISHED, Kind.MODEL_STARTED, Kind.MODEL_CHOSEN,
        Kind.MODEL_FINISHED, Kind.MODEL_FAILED, Kind.TOOL_FINISHED,
    } == SILENT  # fmt: skip
    assert PASSING.isdisjoint(SILENT)
    assert all(told(kind) is None for kind in SILENT)


def test_a_long_text_is_shown_by_its_beginning_or_its_end() -> None:
    text = f"begin{' long' * 100} end"
    assert shortened("a\n b") == "a b"
    assert shortened(text).startswith("begin long")
    assert shortened(text, from_end=True).endswith("long end")
    assert len(shortened(text)) == len(shortened(text, from_end=True)) == 120
