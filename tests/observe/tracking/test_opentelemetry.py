"""Spans on the wire: what a receiver of OTLP and what MLflow reads, whatever is in them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from atlas_mcp.observe.tracking.opentelemetry import encoded
from atlas_mcp.observe.tracking.spans import Span, SpanType
from tests.observe.tracking.journals import whole_run
from tests.observe.tracking.test_tracing import named, spans_of

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue


def sent(*spans: Span, mlflow: bool = False) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(gzip.decompress(encoded(spans, mlflow=mlflow)))
    (resource,) = request.resource_spans
    assert plain(resource.resource.attributes)["service.name"] == "atlas-mcp"
    return list(resource.scope_spans[0].spans)


def plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        return plain(value.kvlist_value.values)
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def span(**more: Any) -> Span:
    told: dict[str, Any] = {
        "trace_id": "0" * 31 + "1", "span_id": "0" * 15 + "2", "parent_id": "", "name": "step.plan",
        "type": SpanType.TASK, "start_ns": 1, "end_ns": 2, "attributes": {},
    }  # fmt: skip
    return Span(**{**told, **more})


def test_a_span_keeps_its_ids_its_times_its_state_and_its_attributes() -> None:
    (made,) = sent(span(attributes={"atlas.call": 1, "a": True, "b": 0.5, "c": "x"}))
    assert (made.trace_id.hex(), made.span_id.hex(), made.parent_span_id) == (
        "0" * 31 + "1",
        "0" * 15 + "2",
        b"",
    )
    assert (made.start_time_unix_nano, made.end_time_unix_nano, made.status.code) == (1, 2, 1)
    assert plain(made.attributes) == {"atlas.call": 1, "a": True, "b": 0.5, "c": "x", "atlas.type": "TASK"}


def test_a_failed_span_has_its_error_as_state_and_as_an_exception() -> None:
    (made,) = sent(span(error="stalled", cause="Nothing came."))
    assert (made.status.code, made.status.message) == (2, "stalled: Nothing came.")
    (event,) = made.events
    assert plain(event.attributes) == {"exception.type": "stalled", "exception.message": "Nothing came."}


def test_mlflow_finds_type_money_what_went_in_and_out_and_tags_where_it_looks_for_them() -> None:
    spans = spans_of(whole_run().events, user="ada", project="tides")
    (chat,) = sent(named(spans, "chat.research.reader"), mlflow=True)
    said = plain(chat.attributes)
    assert said["mlflow.spanType"] == "CHAT_MODEL"
    assert said["mlflow.llm.cost"] == {"total_cost": 0.01}
    (root,) = sent(named(spans, "team.atlas"), mlflow=True)
    said = plain(root.attributes)
    assert said["mlflow.spanInputs"] == {"task": "When?"}
    assert said["mlflow.traceTag.mlflow.traceName"] == "team.atlas"
    assert said["mlflow.traceTag.atlas.project"] == "tides"
    assert "mlflow.llm.cost" not in said


def test_a_price_that_nobody_knows_is_no_price_of_nothing() -> None:
    (made,) = sent(span(attributes={"gen_ai.usage.input_tokens": 3}), mlflow=True)
    assert "mlflow.llm.cost" not in plain(made.attributes)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_whatever_json_went_in_comes_out_the_same(value: Any) -> None:
    (made,) = sent(span(inputs=value), mlflow=True)
    assert plain(made.attributes).get("mlflow.spanInputs") == value


@given(st.text(), st.integers())
def test_any_text_and_any_number_can_be_sent(text: str, number: int) -> None:
    sent(span(name="x", attributes={"said": text, "number": number}, inputs=text, cause=text, error="failed"))
