"""ArcadeDB, which brings its own Java, with its Bolt server; takes a folder, a port and a password."""

from __future__ import annotations

import sys
from typing import Any, cast

import arcadedb_embedded.server  # pyright: ignore[reportMissingTypeStubs]


def main(folder: str, port: str, password: str) -> None:
    server = cast("Any", arcadedb_embedded.server).ArcadeDBServer(
        root_path=folder,
        root_password=password,
        jvm_kwargs={"heap_size": "256m"},
        config={
            "host": "127.0.0.1",
            "http_port": int(port) + 1,
            "server_plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
            "bolt_port": int(port),
            "server_defaultDatabases": "neo4j[root]",
        },
    )
    server.start()
    sys.stdin.read()


main(*sys.argv[1:])
