"""The same team in other frameworks, each as its own documentation has it, in the leanest form that streams.

A supervisor speaks, calls three workers at once, and speaks again: five calls. They live in environments of
their own (`requirements/bench*.in`), so they are imported by name.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.sides.teamwork import MODEL, WORKERS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable

    from benchmarks.sides.teamwork import Teamwork

    Run = Callable[[], Awaitable[str]]

__all__ = ["agents_sdk", "crewai", "langgraph_supervisor", "pydantic_ai"]


@asynccontextmanager
async def langgraph_supervisor(work: Teamwork) -> AsyncGenerator[Run]:
    """langgraph-supervisor: workers are graphs that it hands over to; all of them stream."""
    package: Any = import_module("langgraph_supervisor.supervisor")
    # As released it drops all parallel handovers but the first; with the older node of tools it keeps them.
    package.create_react_agent = partial(package.create_react_agent, version="v1")
    chat: Any = import_module("langchain_openai").ChatOpenAI
    model = chat(
        model=MODEL, api_key="none", base_url=work.url, max_retries=0, stream_usage=True,
        use_responses_api=False,
    )  # fmt: skip
    told = zip(WORKERS, work.work, strict=True)
    workers = [
        package.create_react_agent(model, tools=[], name=name, prompt=f"{w.system}\n\n{w.user}")
        for name, w in told
    ]
    graph: Any = package.create_supervisor(
        workers, model=model, prompt=work.plan.system, parallel_tool_calls=True
    ).compile()

    async def run() -> str:
        asked = {"messages": [{"role": "user", "content": work.plan.user}]}
        state: Any = None
        async for _, mode, what in graph.astream(asked, stream_mode=["messages", "values"], subgraphs=True):
            if mode == "values":
                state = what
        return str(state["messages"][-1].content)

    yield run


@asynccontextmanager
async def agents_sdk(work: Teamwork) -> AsyncGenerator[Run]:
    """OpenAI's Agents SDK: workers are tools of the supervisor; all of them stream."""
    sdk: Any = import_module("agents")
    openai: Any = import_module("openai")
    client = openai.AsyncOpenAI(api_key="none", base_url=work.url, max_retries=0)
    model = sdk.OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
    settings = sdk.ModelSettings(include_usage=True, parallel_tool_calls=True)

    def heard(_event: Any) -> None:
        """With somebody to hear it, a worker streams."""

    def worker(name: str, persona: str) -> Any:
        made = sdk.Agent(name=name, instructions=persona, model=model, model_settings=settings)
        return made.as_tool(tool_name=f"ask_{name}", tool_description="Finds evidence.", on_stream=heard)

    told = zip(WORKERS, work.work, strict=True)
    supervisor = sdk.Agent(
        name="supervisor", instructions=work.plan.system, model=model, model_settings=settings,
        tools=[worker(name, f"{w.system}\n\n{w.user}") for name, w in told],
    )  # fmt: skip

    async def run() -> str:
        result = sdk.Runner.run_streamed(supervisor, work.plan.user)
        async for _ in result.stream_events():
            pass
        return str(result.final_output)

    yield run
    await client.close()


@asynccontextmanager
async def pydantic_ai(work: Teamwork) -> AsyncGenerator[Run]:
    """Pydantic AI: workers are asked by tools of the supervisor; all of them stream."""
    library: Any = import_module("pydantic_ai")
    chat: Any = import_module("pydantic_ai.models.openai").OpenAIChatModel
    connect: Any = import_module("pydantic_ai.providers.openai").OpenAIProvider
    model = chat(MODEL, provider=connect(api_key="none", base_url=work.url))

    async def heard(_context: Any, events: AsyncIterable[Any]) -> None:
        async for _ in events:
            pass

    def asks(name: str, persona: str) -> Any:
        worker = library.Agent(model, name=name, instructions=persona)

        async def ask(question: str) -> str:
            """Find evidence."""
            return str((await worker.run(question, event_stream_handler=heard)).output)

        return library.Tool(ask, name=f"ask_{name}")

    told = zip(WORKERS, work.work, strict=True)
    tools = [asks(name, f"{w.system}\n\n{w.user}") for name, w in told]
    supervisor = library.Agent(model, name="supervisor", instructions=work.plan.system, tools=tools)

    async def run() -> str:
        return str((await supervisor.run(work.plan.user, event_stream_handler=heard)).output)

    yield run


@asynccontextmanager
async def crewai(work: Teamwork) -> AsyncGenerator[Run]:
    """CrewAI: a plan, three asynchronous tasks, and one that has them for its context; its model streams.

    Crews that run at once cannot share their agents, so each run has a crew of its own.
    """
    library: Any = import_module("crewai")
    model = library.LLM(model=f"openai/{MODEL}", api_key="none", base_url=work.url, stream=True)

    def task(persona: str, asked: str, context: list[Any], *, name: str = "supervisor") -> Any:
        agent = library.Agent(role=name, goal="Answer from evidence.", backstory=persona, llm=model)
        return library.Task(
            description=asked, expected_output="What was found.", agent=agent, context=context,
            async_execution=name in WORKERS,
        )  # fmt: skip

    async def run() -> str:
        plan = task(work.plan.system, work.plan.user, [])
        told = zip(WORKERS, work.work, strict=True)
        found = [task(w.system, w.user, [plan], name=name) for name, w in told]
        compose = task(work.compose.system, work.compose.user, found)
        crew = library.Crew(
            agents=[each.agent for each in (plan, *found, compose)], tasks=[plan, *found, compose]
        )
        return str((await crew.akickoff()).raw)

    yield run
