"""The MCP server: what a client of the protocol sees of ATLAS."""

import os

# FastMCP reads its settings when it is imported: a stray `.env` in whatever folder a desktop host starts us
# in must not reach them, and what it logs goes where everything of ours goes.
os.environ.setdefault("FASTMCP_ENV_FILE", os.devnull)
os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")
