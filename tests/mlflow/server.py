"""A real MLflow server for as long as a test needs one, from the environment that `make mlflow` installs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Tracking", "running", "template"]

PROGRAM = Path(__file__).parents[2] / ".cache" / "mlflow" / "bin" / "mlflow"
START_SECONDS = 120


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@dataclass
class Tracking:
    """A server over a folder, and what its API says of it."""

    folder: Path
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, on the same port and folder each time, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        quiet = {
            "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_MODEL_CATALOG_URI": "",
        }  # fmt: skip
        with (self.folder / "server.log").open("ab") as words:
            self.process = subprocess.Popen(
                [
                    PROGRAM, "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
                    "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}",
                    "--artifacts-destination", str(self.folder / "artifacts"),
                ],
                stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True,
                env={**os.environ, **quiet},
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/health").is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text())

    def kill(self) -> None:
        """End it at once, with its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self, signal_number: int) -> None:
        """Send a signal to it and its workers: SIGSTOP makes it a hole that takes calls and says nothing."""
        assert self.process is not None
        os.killpg(self.process.pid, signal_number)

    def experiment(self, name: str = "atlas") -> str:
        asked = {"experiment_name": name}
        found = httpx.get(f"{self.url}/api/2.0/mlflow/experiments/get-by-name", params=asked)
        return found.raise_for_status().json()["experiment"]["experiment_id"]

    def post(self, path: str, body: dict[str, Any], version: str = "3.0") -> dict[str, Any]:
        said = httpx.post(f"{self.url}/api/{version}/mlflow/{path}", json=body, timeout=60)
        assert said.is_success, said.text
        return said.json()

    def traces(self, experiment: str = "atlas", words: str = "") -> list[dict[str, Any]]:
        """Every trace's info, newest first."""
        where = [
            {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment(experiment)}}
        ]
        body = {"locations": where, "max_results": 500, **({"filter": words} if words else {})}
        return self.post("traces/search", body).get("traces", [])

    def spans(self, trace: str) -> list[dict[str, Any]]:
        """The spans of a trace, whole."""
        got = httpx.get(f"{self.url}/api/3.0/mlflow/traces/get", params={"trace_id": trace}, timeout=60)
        return got.raise_for_status().json()["trace"]["spans"]

    def runs(self, experiment: str = "atlas", words: str = "") -> list[dict[str, Any]]:
        """Every run, with its metrics and tags by name."""
        body: dict[str, Any] = {"experiment_ids": [self.experiment(experiment)], "max_results": 5_000}
        found = self.post("runs/search", body | ({"filter": words} if words else {}), "2.0").get("runs", [])
        for each in found:
            data = each["data"]
            data["metrics"] = {one["key"]: one["value"] for one in data.get("metrics", ())}
            data["tags"] = {one["key"]: one["value"] for one in data.get("tags", ())}
        return found

    def measure(
        self, view: str, name: str, aggregation: str, *dimensions: str, every: int = 0
    ) -> dict[tuple[str, ...], float]:
        """What the dashboard's own query gives, by its dimensions or by stretches of so many seconds."""
        whole = {"start_time_ms": 0, "end_time_ms": 2**42, "time_interval_seconds": every} if every else {}
        points = self.post("traces/metrics", {
            "experiment_ids": [self.experiment()], "view_type": view, "metric_name": name,
            "aggregations": [{"aggregation_type": aggregation}], "dimensions": list(dimensions), **whole,
        })["data_points"]  # fmt: skip
        found: dict[tuple[str, ...], float] = {}
        for point in points:
            named = point.get("dimensions", {})
            key = tuple(named.get(each, "") for each in dimensions) or tuple(named.values())
            found[key] = point["values"][aggregation]
        return found


def template() -> Path:
    """A folder whose database is made already: making one takes many seconds, and is done once."""
    made = PROGRAM.parents[1] / "template"
    with FileLock(f"{made}.lock"):
        if not (made / "whole").exists():
            shutil.rmtree(made, ignore_errors=True)
            tracking = Tracking(made)
            tracking.start()
            tracking.kill()
            (made / "whole").touch()
    return made


@contextmanager
def running(folder: Path) -> Generator[Tracking]:
    """A server over a fresh folder, ended at the end."""
    shutil.copytree(template(), folder)
    tracking = Tracking(folder)
    tracking.start()
    try:
        yield tracking
    finally:
        tracking.kill()
