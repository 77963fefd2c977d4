"""What is said of an address where no MLflow answers, or one that does not take what it is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from atlas_mcp.errors import TrackingUnavailable
from atlas_mcp.observe.health import Sample
from atlas_mcp.observe.tracking.mlflow import open_mlflow
from atlas_mcp.observe.tracking.observing import Addresses, addresses
from atlas_mcp.observe.tracking.opentelemetry import open_otlp
from atlas_mcp.settings import Settings
from tests.observe.tracking.answering import answering
from tests.observe.tracking.journals import whole_run
from tests.observe.tracking.test_tracing import spans_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Answers = dict[str, tuple[int, str, str]]

VERSION: Answers = {"/version": (200, "text/html; charset=utf-8", "3.17.2")}
EXPERIMENT: Answers = {
    "/api/2.0/mlflow/experiments/get-by-name": (
        200, "application/json", '{"experiment": {"experiment_id": "7", "lifecycle_stage": "active"}}',
    )
}  # fmt: skip


async def refusal(url: str) -> TrackingUnavailable:
    async with open_mlflow(url, experiment="atlas", agents=True) as mlflow:
        with pytest.raises(TrackingUnavailable) as caught:
            await mlflow.send("", spans_of(whole_run().events))
    return caught.value


async def said(answers: Mapping[str, tuple[int, str, str]]) -> TrackingUnavailable:
    with answering(answers) as server:
        return await refusal(server.url)


async def test_an_address_where_nobody_listens_is_told_with_what_to_start() -> None:
    error = await refusal("http://127.0.0.1:1")
    assert "cannot be reached" in error.message
    assert "atlas-mcp mlflow" in error.remedy
    assert not error.refused


async def test_a_proxys_page_is_no_mlflow() -> None:
    error = await said({"/": (200, "text/html", "<html>Sign in</html>" * 50)})
    assert "what answers there is no MLflow" in error.message
    assert "sign in" in error.remedy


async def test_an_old_mlflow_is_named_with_the_version_it_takes() -> None:
    error = await said({"/version": (200, "text/plain", "2.22.0")})
    assert "is version 2.22.0, which is too old" in error.message
    assert "3.8 or newer" in error.remedy


async def test_a_server_that_wants_a_name_and_a_password_says_which_variables_hold_them() -> None:
    error = await said({**VERSION, "/api": (401, "text/plain", "You are not authenticated.")})
    assert "MLFLOW_TRACKING_TOKEN" in error.remedy
    assert not error.refused


async def test_what_is_refused_for_what_it_is_is_told_apart_from_a_server_that_fails() -> None:
    wrong = await said({**VERSION, **EXPERIMENT, "/v1": (422, "application/json", "{}")})
    down = await said({**VERSION, **EXPERIMENT, "/v1": (500, "application/json", "{}")})
    assert (wrong.refused, down.refused) == (True, False)


async def test_a_page_in_place_of_a_receipt_is_no_receipt() -> None:
    error = await said({**VERSION, **EXPERIMENT, "/v1": (200, "text/html", "<html></html>")})
    assert "with no JSON" in error.message
    assert not error.refused


async def test_spans_go_to_the_projects_own_experiment_and_the_password_of_an_address_is_in_no_error() -> (
    None
):
    taken: Answers = {**VERSION, **EXPERIMENT, "/v1": (200, "application/x-protobuf", "")}
    with answering(taken) as server:
        url = server.url.replace("//", "//ada:lovelace99@")
        async with open_mlflow(url, experiment="atlas", agents=True) as mlflow:
            await mlflow.send("tides", spans_of(whole_run().events))
        assert "lovelace99" not in mlflow.name
        assert any("experiment_name=atlas/tides" in unquote(path) for path, _ in server.came)
    assert "lovelace99" not in str(await refusal(url))


async def test_any_receiver_of_otlp_gets_the_spans_with_the_headers_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=tides,authorization=Basic%20abc")
    with answering({"/v1/traces": (200, "application/x-protobuf", "")}) as server:
        async with open_otlp(f"{server.url}/v1/traces") as otlp:
            await otlp.send("", spans_of(whole_run().events))
        ((path, body),) = server.came
        assert path == "POST /v1/traces"
        assert body[:2] == b"\x1f\x8b"
        async with open_otlp(f"{server.url}/wrong") as otlp:
            with pytest.raises(TrackingUnavailable, match="status 404"):
                await otlp.send("", spans_of(whole_run().events))


def test_the_vendors_own_variables_just_work_and_settings_come_first(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not addresses(Settings())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
    found = addresses(Settings())
    assert (found.mlflow, found.otlp) == ("http://tracking:5000", "http://collector:4318/v1/traces")
    monkeypatch.setenv("ATLAS_OBSERVE__MLFLOW", "https://other:5000")
    assert addresses(Settings()).mlflow == "https://other:5000"


@pytest.mark.parametrize("said", ["sqlite:///mlflow.db", "./mlruns", "databricks", "tracking:5000"])
def test_a_folder_or_a_database_is_no_address_and_says_what_to_start_on_it(said: str) -> None:
    wrong = Addresses(said, "")
    assert not wrong
    assert "mlflow server --backend-store-uri" in wrong.wrong
    assert Addresses("http://x", "nowhere").wrong.startswith("nowhere is no address")


async def test_a_run_whose_tag_somebody_took_away_stops_nothing() -> None:
    runs = [{"info": {"run_id": "m1"}, "data": {"tags": [{"key": "atlas.root", "value": "process/p"}]}}]
    answers: Answers = {
        **VERSION, **EXPERIMENT,
        "/api/2.0/mlflow/runs/search": (200, "application/json", json.dumps({"runs": runs})),
        "/api/2.0/mlflow/runs/create": (200, "application/json", '{"run": {"info": {"run_id": "m2"}}}'),
        "/api": (200, "application/json", "{}"),
    }  # fmt: skip
    sample = Sample("p", 7, "host", "2026-11-29T10:00:00+00:00", 0.0, {"system/cpu": 1.0}, {})
    with answering(answers) as server:
        async with open_mlflow(server.url, experiment="atlas", agents=True) as mlflow:
            await mlflow.fare([sample])
    (ended,) = [json.loads(body) for path, body in server.came if path.endswith("runs/update")]
    assert ended["run_id"] == "m2"
