"""Writes ATLAS into the configuration of MCP clients, as `clients/NAME.toml` says, and takes it out again.

What others wrote is theirs: nothing but the entry of that name changes, byte for byte. `client` is what is
known of a client, `entry` what stands in its configuration, `jsonc` and `toml` change a text in place, `file`
keeps what lies on disk, and `change` puts them together.
"""

from __future__ import annotations

__all__: list[str] = []
