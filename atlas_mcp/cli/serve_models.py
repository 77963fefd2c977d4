"""`atlas-mcp providers serve`: a provider at an OpenAI-compatible address, for whoever can be told one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_mcp.cli.provider_checks import UNPRICED
from atlas_mcp.cli.terminal import Exit, leaving, stderr
from atlas_mcp.errors import InvalidConfiguration, InvalidInput

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping, Sequence

    from atlas_mcp.providers.lending.session import ModelSession

__all__ = ["serve_models"]

LEAVE_SECONDS = 5.0
"""How long a command that was interrupted may take to end by itself."""


def serve_models(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="Run this, and serve while it runs; write -- before it."),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Who answers, such as group:fast or openai:gpt-5.4-mini.")
    ] = None,
    usd: Annotated[float | None, typer.Option("--budget-usd", min=0.0, help="Money it may cost.")] = None,
    tokens: Annotated[int | None, typer.Option("--budget-tokens", min=1, help="Tokens it may use.")] = None,
    port: Annotated[
        int, typer.Option(help="Port to listen on; a free one by default.", min=0, max=65535)
    ] = 0,
) -> None:
    """Serve a provider at an OpenAI-compatible address of this machine, until Ctrl-C or while a command runs.

    The command finds OPENAI_BASE_URL and OPENAI_API_KEY in its environment, and no key of a vendor. Its exit
    code is passed on. What was taken is told at the end.
    """
    with leaving():
        if code := asyncio.run(_serve(command or [], provider, usd, tokens, port)):
            raise typer.Exit(code)


async def _serve(
    command: Sequence[str], provider: str | None, usd: float | None, tokens: int | None, port: int
) -> int:
    from atlas_mcp.cli.opening import opened
    from atlas_mcp.providers.budget import Budget, Limit
    from atlas_mcp.providers.registry import key_variables

    async with opened(provider=provider) as atlas:
        group = await atlas.provider()
        if group.info.vendor == "extractive":
            raise InvalidConfiguration(
                "There is no model to serve: what answers is no language model.",
                remedy="Name one with --provider, or set the key of one. Look: atlas-mcp providers",
            )
        name = "command" if command else "session"
        budget = Budget(
            Limit(tokens, usd), name=name, parent=atlas.accounts.day.budget,
            remedy="Raise --budget-usd or --budget-tokens.",
        )  # fmt: skip
        if usd is not None and (unpriced := await group.unpriced()):
            told = f"--budget-usd does not bind for {', '.join(unpriced)}, whose price nobody knows."
            stderr().print(f"! {told} {UNPRICED}", style="yellow", markup=False, soft_wrap=True)
        endpoint = await atlas.endpoint(port)
        with endpoint.session(group, budget=budget, name=name) as session:
            try:
                if not command:
                    code = await _wait(session)
                else:
                    keys = key_variables(atlas.settings.provider)
                    own = {name: value for name, value in os.environ.items() if name not in keys}
                    code = await _run(command, own | _environment(session))
            finally:
                session.cancel("its time is over")
            stderr().print(_tally(session), soft_wrap=True)
            return code


async def _wait(session: ModelSession) -> int:
    """Serve until interrupted."""
    for name, value in _environment(session).items():
        sys.stdout.write(f"{name}={value}\n")
    sys.stdout.flush()
    stderr().print(f"Serving {session.info.name} until Ctrl-C.", soft_wrap=True)
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return Exit.INTERRUPTED


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command in an environment; gives its exit code."""
    running: Process | None = None
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        if running is not None:
            with suppress(ProcessLookupError):
                running.terminate()

    # Whoever asks us to end asks the command, by whose end we end too.
    before = signal.signal(signal.SIGTERM, end)
    try:
        running = await asyncio.create_subprocess_exec(*command, env=environment)
        if ended:
            end()
        code = await running.wait()
    except OSError as error:
        raise InvalidInput(
            f"{command[0]} cannot be run: {error.strerror}.", remedy="Check the command after --."
        ) from None
    except asyncio.CancelledError:
        if running is not None:
            await _end(running)
        return Exit.INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


async def _end(running: Process) -> None:
    """Wait for a command that a terminal's Ctrl-C has reached too, and end it if it does not end."""
    for insist in (running.terminate, running.kill):
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await running.wait()
                return
        insist()
    await running.wait()


def _environment(session: ModelSession) -> dict[str, str]:
    return {"OPENAI_BASE_URL": session.url, "OPENAI_API_KEY": session.key.get_secret_value()}


def _tally(session: ModelSession) -> str:
    """What was asked and what it took."""
    if not session.requests:
        return "Nothing was asked."
    from atlas_mcp.cli.words import spent
    from atlas_mcp.observe.sentences import counted

    asked = counted(session.requests, "request")
    return f"{asked}: {spent(asdict(session.usage))}, {counted(session.switches, 'fallback')}"
