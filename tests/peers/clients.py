"""The two clients that call tools as their users do: the MCP Inspector's command line, and Claude Code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.peers.place import PACKAGES, run_node

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.peers.fake_anthropic import FakeModel

__all__ = ["Inspector", "claude"]

_INSPECTOR = PACKAGES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
_CLAUDE_CODE = PACKAGES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"


class Inspector:
    """The Inspector's command line, told which server and which era."""

    def __init__(self, target: Sequence[str], era: str, folder: Path) -> None:
        self._target = [*target, "--protocol-era", era]
        self._folder = folder

    def ask(self, method: str, *options: str) -> Any:
        """The result of one request."""
        done = run_node(
            str(_INSPECTOR), "--cli", *self._target, "--method", method, *options, "--format", "json",
            folder=self._folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["result"]

    def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """The result of one call of a tool."""
        return self.ask("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))


def claude(model: FakeModel, servers: Path, folder: Path, tools: Sequence[str], **environment: str) -> str:
    """What Claude Code prints at the end of the conversation; `servers` is its configuration."""
    with model.serving() as address:
        done = run_node(
            str(_CLAUDE_CODE), "--print", "Ask ATLAS.", "--model", "claude-sonnet-4-5", "--strict-mcp-config",
            "--mcp-config", str(servers), "--allowedTools", ",".join(tools),
            folder=folder, ANTHROPIC_BASE_URL=address, ANTHROPIC_API_KEY="none", ENABLE_TOOL_SEARCH="false",
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", DISABLE_TELEMETRY="1", DISABLE_AUTOUPDATER="1",
            **environment,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()
