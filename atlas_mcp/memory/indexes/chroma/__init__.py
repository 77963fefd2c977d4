"""Chroma as an index: embedded, kept by one child process, or a server."""
