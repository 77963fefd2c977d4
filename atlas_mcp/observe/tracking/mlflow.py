"""An MLflow server as a destination: spans by OTLP, runs, metrics, links and assessments by its REST API.

MLflow itself is not imported: it takes seconds and hundreds of megabytes, its fluent runs mix up tasks of one
event loop, and its client waits minutes for a server that is down. Every call here names its ids.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from atlas_mcp.errors import TrackingUnavailable
from atlas_mcp.observe.tracking.asking import access_to, open_asking
from atlas_mcp.observe.tracking.opentelemetry import CONTENT_TYPE, encoded
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from atlas_mcp.observe.health import Sample
    from atlas_mcp.observe.tracking.asking import Answer, Asking
    from atlas_mcp.observe.tracking.source import Told
    from atlas_mcp.observe.tracking.spans import Span

__all__ = ["OLDEST", "MLflow", "open_mlflow"]

OLDEST = (3, 8)
"""The first version whose server takes spans with types, tags and tokens by OTLP."""

SECONDS = 10.0
"""How long one request may take."""

_STATES = {"done": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404
_CLOSED = frozenset({401, 403})
_REFUSED = frozenset({400, 409, 413, 415, 422})
"""Statuses that speak of what was sent, not of the server."""
_METRICS = 1_000
_RUNS = 1_000
_TAG = 5_000
_MOST = 250
"""Characters of a name or parameter; of a tag's value more."""


@dataclass(slots=True)
class _Within:
    """The experiment and root that runs are made in, and those that are `there` from before, by our ids."""

    experiment: str
    root: str
    there: dict[str, str] = field(default_factory=dict[str, str])


class MLflow:
    """One MLflow server; runs are kept in one experiment a project."""

    def __init__(self, address: str, ask: Asking, *, experiment: str, agents: bool) -> None:
        self.name = f"MLflow at {redacted(address)}"
        self._ask = ask
        self._experiment = experiment
        self._agents = agents
        self._known = False
        self._experiments: dict[str, str] = {}

    async def send(self, project: str, spans: Sequence[Span]) -> None:
        """Hand over spans; a trace shows them from then on, also before it has ended.

        Raises:
            TrackingUnavailable: the server is down, is no MLflow, or does not take them.
        """
        experiment = await self._experiment_of(project)
        content = await asyncio.to_thread(encoded, spans, mlflow=True)
        headers = {
            "x-mlflow-experiment-id": experiment, "content-type": CONTENT_TYPE, "content-encoding": "gzip",
        }  # fmt: skip
        await self._request("POST", "/v1/traces", content=content, headers=headers)

    async def conclude(self, told: Told) -> None:
        """Keep a run of the task, one of each team and agent in it, and what its trace was assessed at.

        Raises:
            TrackingUnavailable: the server is down, or does not take them.
        """
        within = _Within(await self._experiment_of(told.project), told.facts.run_id)
        # Whoever told it before may have ended in the midst of it.
        within.there.update(await self._found(within))
        before = bool(within.there)
        run = await self._keep(told, within, parent="")
        trace = f"tr-{told.trace_id}"
        await self._post("traces/link-to-run", {"trace_ids": [trace], "run_id": run})
        await self._assess(told, trace, before=before)
        if told.alerts:
            tag = {"key": "atlas.alert", "value": ",".join(told.alerts)}
            await self._request("PATCH", f"/api/2.0/mlflow/traces/{trace}/tags", json=tag)

    async def fare(self, samples: Sequence[Sample]) -> None:
        """Keep how processes fared, in a run for each, as MLflow keeps the system metrics of a run.

        Raises:
            TrackingUnavailable: the server is down, or does not take them.
        """
        experiment = await self._experiment_of("")
        by_process: dict[str, list[Sample]] = {}
        for sample in samples:
            by_process.setdefault(sample.process, []).append(sample)
        for process, several in by_process.items():
            first = several[0]
            tags = {"atlas.kind": "process", "atlas.host": first.host, "atlas.pid": str(first.pid)}
            name = f"process {first.pid} on {first.host}"
            within = _Within(experiment, f"process/{process}")
            within.there.update(await self._found(within))
            run = await self._begun(within.root, name, within, at=first.at, tags=tags, parent="")
            metrics = [
                {"key": key, "value": value, "timestamp": _milliseconds(each.at), "step": 0}
                for each in several for key, value in each.figures.items()
            ]  # fmt: skip
            for start in range(0, len(metrics), _METRICS):
                await self._post(
                    "runs/log-batch", {"run_id": run, "metrics": metrics[start : start + _METRICS]}
                )
            await self._end(run, "FINISHED", several[-1].at)

    async def _keep(self, told: Told, within: _Within, *, parent: str) -> str:
        facts = told.facts
        tags = {
            "atlas.run_id": facts.run_id, "atlas.team": facts.team,
            "atlas.team_version": facts.team_version[:12],
            "atlas.kind": "team" if parent else "task", "atlas.state": facts.state, "atlas.user": facts.user,
            "atlas.partial": str(facts.partial).lower(), "atlas.provider": told.provider,
            "atlas.trace_id": f"tr-{told.trace_id}", "mlflow.note.content": told.question,
        }  # fmt: skip
        if told.error:
            tags["atlas.error"] = str(told.error.get("code", ""))
        if told.alerts:
            tags["atlas.alert"] = ",".join(told.alerts)
        run = await self._begun(
            facts.run_id, facts.team, within, at=facts.created_at, tags=tags, parent=parent
        )
        parameters = {"team": facts.team, "team_version": facts.team_version[:12], "provider": told.provider}
        await self._measure(run, told.figures, facts.updated_at, parameters)
        for child in told.children:
            await self._keep(child, within, parent=run)
        for name, member in told.agents.items() if self._agents else ():
            about = {"atlas.run_id": facts.run_id, "atlas.team": facts.team, "atlas.agent": name,
                     "atlas.kind": "agent"}  # fmt: skip
            ours = f"{facts.run_id}/{name}"
            theirs = await self._begun(
                ours, f"{facts.team}.{name}", within, at=facts.created_at, tags=about, parent=run
            )
            await self._measure(theirs, member.figures(), facts.updated_at, {"agent": name})
            await self._end(theirs, "FINISHED", facts.updated_at)
        await self._end(run, _STATES.get(facts.state, "FAILED"), facts.updated_at)
        return run

    async def _begun(
        self, ours: str, name: str, within: _Within, *, at: str, tags: Mapping[str, str], parent: str
    ) -> str:
        """The run that stands for one of ours, made if it is not there yet."""
        if theirs := within.there.get(ours):
            return theirs
        every = {
            **tags, "atlas.id": ours, "atlas.root": within.root,
            **({"mlflow.parentRunId": parent} if parent else {}),
        }  # fmt: skip
        made = await self._post("runs/create", {
            "experiment_id": within.experiment, "run_name": name, "start_time": _milliseconds(at),
            "tags": [{"key": key, "value": value[:_TAG]} for key, value in every.items() if value],
        })  # fmt: skip
        return str(made["run"]["info"]["run_id"])

    async def _found(self, within: _Within) -> dict[str, str]:
        """The runs that stand for ours of one root already, by what they are called here."""
        words = f"tags.`atlas.root` = '{within.root}'"
        asked: dict[str, Any] = {"experiment_ids": [within.experiment], "filter": words, "max_results": _RUNS}
        found: dict[str, str] = {}
        while True:
            page = await self._post("runs/search", asked)
            for run in page.get("runs", ()):
                tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", ())}
                if ours := tags.get("atlas.id"):  # somebody may have taken it away
                    found.setdefault(ours, str(run["info"]["run_id"]))
            if not (token := page.get("next_page_token")):
                return found
            asked["page_token"] = token

    async def _measure(
        self, run: str, figures: Mapping[str, float], at: str, parameters: Mapping[str, str]
    ) -> None:
        when = _milliseconds(at)
        metrics = [
            {"key": key, "value": value, "timestamp": when, "step": 0} for key, value in figures.items()
        ][:_METRICS]  # fmt: skip
        params = [{"key": key, "value": value[:_MOST]} for key, value in parameters.items() if value]
        await self._post("runs/log-batch", {"run_id": run, "metrics": metrics, "params": params})

    async def _end(self, run: str, status: str, at: str) -> None:
        await self._post("runs/update", {"run_id": run, "status": status, "end_time": _milliseconds(at)})

    async def _assess(self, told: Told, trace: str, *, before: bool) -> None:
        """What was measured and judged, once each; what is there from `before` stays."""
        wanted = _assessments(told)
        there: set[str] = set()
        if wanted and before:
            info = await self._request("GET", f"/api/3.0/mlflow/traces/{trace}")
            known = info.get("trace", {}).get("trace_info", {}).get("assessments", ())
            there = {str(each.get("assessment_name")) for each in known}
        for assessment in wanted:
            if assessment["assessment_name"] not in there:
                whole = {**assessment, "trace_id": trace}
                await self._request(
                    "POST", f"/api/3.0/mlflow/traces/{trace}/assessments", json={"assessment": whole}
                )

    async def _experiment_of(self, project: str) -> str:
        name = f"{self._experiment}/{project}" if project else self._experiment
        if name not in self._experiments:
            await self._meet()
            self._experiments[name] = await self._found_or_made(name)
        return self._experiments[name]

    async def _found_or_made(self, name: str) -> str:
        asked = {"experiment_name": name}
        found = await self._request(
            "GET", "/api/2.0/mlflow/experiments/get-by-name", params=asked, absent=True
        )
        if not found:
            tags = [{"key": "mlflow.experimentKind", "value": "genai_development"}]
            try:
                made = await self._post("experiments/create", {"name": name, "tags": tags})
                return str(made["experiment_id"])
            except TrackingUnavailable as error:
                if not error.refused:
                    raise
            # Another process made it meanwhile.
            found = await self._request("GET", "/api/2.0/mlflow/experiments/get-by-name", params=asked)
        experiment = cast("dict[str, Any]", found.get("experiment") or {})
        if not experiment.get("experiment_id"):
            raise TrackingUnavailable(
                f"{self.name} does not say which experiment {name} is.", remedy="See what answers there."
            )
        if experiment.get("lifecycle_stage") == "deleted":
            raise TrackingUnavailable(
                f"The experiment {name} of {self.name} is deleted.",
                remedy="Restore it there, or name another: [observe] experiment in atlas.toml.",
            )
        return str(experiment["experiment_id"])

    async def _meet(self) -> None:
        """See that it is an MLflow that takes what it is sent.

        Raises:
            TrackingUnavailable: it is not; says what answered instead.
        """
        if self._known:
            return
        answer = await self._sent("GET", "/version")
        if answer.status in _CLOSED:
            raise self._failed(answer)
        said = answer.text.strip()
        number = re.match(r"(\d+)\.(\d+)", said)
        if answer.status != _OK or number is None or len(said) > _MOST:
            raise TrackingUnavailable(
                f"{self.name}: what answers there is no MLflow (status {answer.status},"
                f" {answer.kind or 'no type'}).",
                remedy="Correct MLFLOW_TRACKING_URI; a proxy may want you to sign in first.",
            )
        if (int(number[1]), int(number[2])) < OLDEST:
            raise TrackingUnavailable(
                f"{self.name} is version {said}, which is too old.",
                remedy=f"Update it to {OLDEST[0]}.{OLDEST[1]} or newer.",
            )
        self._known = True

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self._request("POST", f"/api/2.0/mlflow/{path}", json=body)

    async def _request(
        self, method: str, path: str, *, absent: bool = False, **request: Any
    ) -> dict[str, Any]:
        """What a call gave; nothing where it is `absent` and may be.

        Raises:
            TrackingUnavailable: it could not be made, or failed; `refused` where it was its content.
        """
        answer = await self._sent(method, path, **request)
        if absent and answer.status == _NOT_FOUND:
            return {}
        if answer.status >= _BAD_REQUEST:
            raise self._failed(answer)
        if answer.kind.startswith("application/json"):
            with suppress(ValueError):
                found: object = json.loads(answer.body)
                if isinstance(found, dict):
                    return cast("dict[str, Any]", found)
        if path == "/v1/traces" and "html" not in answer.kind:
            return {}
        self._known = False
        raise TrackingUnavailable(
            f"{self.name} answered {method} {path} with no JSON.", remedy="See what answers at that address."
        )

    async def _sent(self, method: str, path: str, **request: Any) -> Answer:
        try:
            return await self._ask(method, path, **request)
        except TimeoutError:
            raise TrackingUnavailable(f"{self.name} gave no answer within {SECONDS:g} s.") from None
        except ConnectionError as error:
            self._known = False
            raise TrackingUnavailable(
                f"{self.name} cannot be reached: {redacted(str(error))}.",
                remedy="Start it: atlas-mcp mlflow; or correct MLFLOW_TRACKING_URI.",
            ) from None

    def _failed(self, answer: Answer) -> TrackingUnavailable:
        status = answer.status
        said = redacted(" ".join(answer.text.split()))[:200]
        if status in _CLOSED:
            return TrackingUnavailable(
                f"{self.name} does not let us in (status {status}): {said}",
                remedy="Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
            )
        # What was deleted there is made anew, or a person is told to bring it back.
        refused = status in _REFUSED and "must be in the 'active' state" not in said
        if not refused:
            self._known = False
            # Where an experiment was deleted for good, it is made anew.
            self._experiments.clear()
        return TrackingUnavailable(f"{self.name} answered with status {status}: {said}", refused=refused)


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1_000)


def _assessments(told: Told) -> list[dict[str, Any]]:
    """The scores of a run, 0 to 5, as feedback on its trace: what it was judged, and what was measured.

    Each is a request; the parts of the measurement are metrics of the run.
    """
    at = datetime.fromisoformat(told.facts.updated_at).isoformat().replace("+00:00", "Z")
    judged, measured = told.figures.get("quality/overall"), told.figures.get("quality/measured")
    rows: list[tuple[str, float, str]] = []
    if judged is not None and judged != measured:
        rows.append(("quality", judged, "LLM_JUDGE"))
    elif judged is not None:
        rows.append(("quality", judged, "CODE"))
    if measured is not None and judged != measured:
        rows.append(("measured", measured, "CODE"))
    return [
        {
            "assessment_name": name, "source": {"source_type": kind, "source_id": f"atlas.{told.facts.team}"},
            "create_time": at, "last_update_time": at, "feedback": {"value": value},
            **({"rationale": told.reasons} if told.reasons else {}),
        }
        for name, value, kind in rows
    ]  # fmt: skip


@asynccontextmanager
async def open_mlflow(address: str, *, experiment: str, agents: bool) -> AsyncGenerator[MLflow]:
    """The server at an address, with the credentials that MLflow's own variables name."""
    async with open_asking(access_to(address, seconds=SECONDS, mlflow=True)) as ask:
        yield MLflow(address, ask, experiment=experiment, agents=agents)
