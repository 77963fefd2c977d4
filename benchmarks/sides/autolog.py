"""The five calls with nothing around them, traced by MLflow's own automatic tracing of OpenAI's SDK."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.sides import teams

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from benchmarks.sides.teamwork import Teamwork

__all__ = ["bare"]


@asynccontextmanager
async def bare(work: Teamwork) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Plain asyncio and OpenAI's SDK, a trace a run, as MLflow's documentation has it."""
    mlflow: Any = import_module("mlflow")  # in an environment of its own
    mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    mlflow.set_experiment("autolog")
    mlflow.openai.autolog()
    async with teams.bare(work) as plain:

        async def told() -> None:
            await asyncio.to_thread(mlflow.flush_trace_async_logging)

        run: Any = mlflow.trace(plain, name="team.research", span_type="WORKFLOW")
        run.told = told
        yield run
