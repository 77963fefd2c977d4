"""Spans in OpenTelemetry's own format, OTLP 1 over HTTP, and any receiver of it as a destination.

The format is made from its published protobuf definitions; no SDK is running, so that a receiver that is slow
or down holds up nothing here.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import platform
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from atlas_mcp.errors import TrackingUnavailable
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from atlas_mcp.observe.health import Sample
    from atlas_mcp.observe.tracking.source import Told
    from atlas_mcp.observe.tracking.spans import Moment, Span

__all__ = ["CONTENT_TYPE", "Otlp", "encoded", "open_otlp"]

CONTENT_TYPE = "application/x-protobuf"

SECONDS = 10.0
"""How long one request may take."""

_BAD_REQUEST = 400
_REFUSED = frozenset({400, 413, 415, 422})
"""Statuses that speak of what was sent, not of the server."""

DEEPEST = 12
"""Levels of nested values that are told apart; what lies deeper is sent as JSON."""

_KIND = {"CHAT_MODEL": trace_pb2.Span.SPAN_KIND_CLIENT, "TOOL": trace_pb2.Span.SPAN_KIND_CLIENT}


def encoded(spans: Sequence[Span], *, mlflow: bool = False) -> bytes:
    """An export request with these spans, compressed by gzip.

    With `mlflow` what went in and out, types, money and tags stand where MLflow looks for them; otherwise
    inputs and outputs are JSON in `atlas.inputs` and `atlas.outputs`.
    """
    request = ExportTraceServiceRequest()
    whole = request.resource_spans.add()
    whole.resource.attributes.extend(
        _pairs({
            "service.name": "atlas-mcp", "service.version": version("atlas-mcp"),
            "host.name": platform.node(), "process.runtime.version": platform.python_version(),
        })
    )  # fmt: skip
    scope = whole.scope_spans.add()
    scope.scope.name, scope.scope.version = "atlas_mcp", version("atlas-mcp")
    scope.spans.extend(_span(span, mlflow=mlflow) for span in spans)
    return gzip.compress(request.SerializeToString(), compresslevel=1)


def _span(span: Span, *, mlflow: bool) -> trace_pb2.Span:
    attributes: dict[str, Any] = {**span.attributes, **(_for_mlflow(span) if mlflow else _plain(span))}
    made = trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        kind=_KIND.get(span.type.value, trace_pb2.Span.SPAN_KIND_INTERNAL),
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_pairs(attributes),
        events=[_event(moment) for moment in span.moments],
    )
    if span.error:
        made.status.code = trace_pb2.Status.STATUS_CODE_ERROR
        made.status.message = f"{span.error}: {span.cause}" if span.cause else span.error
        made.events.append(_exception(span))
    else:
        made.status.code = trace_pb2.Status.STATUS_CODE_OK
    return made


def _event(moment: Moment) -> trace_pb2.Span.Event:
    return trace_pb2.Span.Event(
        name=moment.name,
        time_unix_nano=moment.at_ns,
        attributes=_pairs({**moment.attributes, **moment.texts}),
    )


def _exception(span: Span) -> trace_pb2.Span.Event:
    told = {"exception.type": span.error, "exception.message": span.cause or span.error}
    return trace_pb2.Span.Event(name="exception", time_unix_nano=span.end_ns, attributes=_pairs(told))


def _plain(span: Span) -> dict[str, Any]:
    told = {"atlas.type": span.type.value}
    for name, value in (("atlas.inputs", span.inputs), ("atlas.outputs", span.outputs)):
        if value is not None:
            told[name] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return told


def _for_mlflow(span: Span) -> dict[str, Any]:
    told: dict[str, Any] = {"mlflow.spanType": span.type.value}
    if span.inputs is not None:
        told["mlflow.spanInputs"] = span.inputs
    if span.outputs is not None:
        told["mlflow.spanOutputs"] = span.outputs
    cost = span.attributes.get("atlas.cost_usd")
    if cost is not None and "gen_ai.usage.input_tokens" in span.attributes:
        told["mlflow.llm.cost"] = {"total_cost": float(cost)}
    if not span.parent_id:
        told["mlflow.traceTag.mlflow.traceName"] = span.name
        for name in ("run_id", "team", "team_version", "project", "state", "partial", "provider", "limit"):
            if (value := span.attributes.get(f"atlas.{name}")) not in (None, ""):
                told[f"mlflow.traceTag.atlas.{name}"] = str(value)
    return told


def _pairs(attributes: Mapping[str, Any]) -> Iterable[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Any, depth: int = 0) -> AnyValue:
    made = AnyValue()
    if depth > DEEPEST and isinstance(value, dict | list):
        made.string_value = json.dumps(value, ensure_ascii=False)
        return made
    match value:
        case bool():
            made.bool_value = value
        case int() if -(2**63) <= value < 2**63:
            made.int_value = value
        case float():
            made.double_value = value
        case dict():
            pairs = cast("dict[str, Any]", value)
            # Set even where there is nothing in it, so that it stays an object.
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(
                KeyValue(key=str(key), value=_value(inner, depth + 1)) for key, inner in pairs.items()
            )
        case list() | tuple():
            made.array_value.SetInParent()
            made.array_value.values.extend(_value(inner, depth + 1) for inner in cast("list[Any]", value))
        case None:
            pass
        case _:
            made.string_value = str(value).encode("utf-8", "replace").decode()
    return made


class Otlp:
    """A receiver of traces by OTLP over HTTP; it is told of spans alone."""

    def __init__(self, address: str, http: httpx.AsyncClient) -> None:
        self.name = f"the OTLP receiver at {redacted(address)}"
        self._address = address
        self._http = http

    async def send(self, project: str, spans: Sequence[Span]) -> None:  # noqa: ARG002 - a span says it itself
        """Hand over spans.

        Raises:
            TrackingUnavailable: it is down, or does not take them.
        """
        content = await asyncio.to_thread(encoded, spans)
        try:
            response = await self._http.post(
                self._address, content=content,
                headers={"content-type": CONTENT_TYPE, "content-encoding": "gzip"},
            )  # fmt: skip
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise TrackingUnavailable(
                f"{self.name} cannot be reached: {error or type(error).__name__}.",
                remedy="Start it, or correct [observe] otlp or OTEL_EXPORTER_OTLP_ENDPOINT.",
            ) from None
        status = response.status_code
        if status >= _BAD_REQUEST or "html" in response.headers.get("content-type", ""):
            said = redacted(" ".join(response.text.split()))[:200]
            raise TrackingUnavailable(
                f"{self.name} answered with status {status}: {said}", refused=status in _REFUSED,
                remedy="See that its address has its path, such as /v1/traces, and its headers.",
            )  # fmt: skip

    async def conclude(self, told: Told) -> None:
        """Nothing more: its spans say how a run ended."""

    async def fare(self, samples: Sequence[Sample]) -> None:
        """Nothing: a receiver of traces takes no figures."""


@asynccontextmanager
async def open_otlp(address: str) -> AsyncGenerator[Otlp]:
    """The receiver at an address, with the headers that OpenTelemetry's own variables name.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    named = os.environ
    said = named.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or named.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    pairs = (each.partition("=") for each in said.split(",") if "=" in each)
    headers = {unquote(key.strip()): unquote(value.strip()) for key, _, value in pairs}
    async with httpx.AsyncClient(timeout=SECONDS, headers=headers) as http:
        yield Otlp(address, http)
