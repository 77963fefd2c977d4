"""Writes atlas_mcp/surface/discover.json from what the real server answers.

Run it when the server's name, version, instructions or capabilities change; a test tells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from atlas_mcp.surface.doorstep import ANSWER

PROBE = (
    '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{'
    '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}\n'
)
SERVE = "from atlas_mcp.surface.server import run_stdio; run_stdio()"


def main() -> None:
    """Ask a server that nobody answers for."""
    with tempfile.TemporaryDirectory() as home:
        told = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", SERVE], input=PROBE, capture_output=True, text=True, check=True,
            env=os.environ | {"ATLAS_HOME": home},
        )  # fmt: skip
    result = json.loads(told.stdout)["result"]
    ANSWER.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
