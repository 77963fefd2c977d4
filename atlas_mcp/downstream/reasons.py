"""Why a server failed, in words that a person can read: cleaned, short, and without secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import httpx2
from pydantic import ValidationError

from atlas_mcp.downstream.screening.invisible import cleaned
from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from mcp_types import Implementation

    from atlas_mcp.downstream.stdio import Pipe

__all__ = ["is_gone", "last_words", "server_name", "why"]

_OF_SESSIONS = frozenset({-32_600, -32_001, -32_000})
"""The codes by which servers, and the SDK in their stead, say that a session is not there any more."""
_HOST = re.compile(r"https?://(?:[^/?#]*@)?([^/?#@]+)")
_ERRNO = re.compile(r"\A\[Errno -?\d+\] ")


def is_gone(error: BaseException, pipe: Pipe | None) -> bool:
    """Whether after an error the connection, or the server's memory of it, is gone.

    Of a program its pipes say so, never its words: they may speak of a session of anybody's.
    """
    if pipe is not None:
        return pipe.deaf
    said = str(error).lower()
    closed = getattr(error, "code", None) in _OF_SESSIONS and ("session" in said or "closed" in said)
    return closed or isinstance(error, httpx2.TransportError)


def why(error: BaseException, pipe: Pipe | None, url: str = "") -> str:
    """What went wrong, in a sentence; `url` is as the server's file has it, without any variable's value."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if pipe is not None and pipe.fault:
        return f"{pipe.fault}."
    if isinstance(error, ValidationError):
        return f"what it sent is no {error.title} of the protocol."
    said = _line(str(error)) or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout) and (host := _HOST.match(url)):
        said = f"{host[1]} cannot be reached: {_ERRNO.sub('', said)}"
    return " ".join(each for each in (f"{said.rstrip('.')}.", last_words(pipe)) if each)


def last_words(pipe: Pipe | None) -> str:
    """With what code a program ended, and what it said last; empty while it lives."""
    if pipe is None or not pipe.ended.is_set():
        return ""
    code = "" if pipe.exit_code is None else f"Its exit code was {pipe.exit_code}."
    said = _line(pipe.last_words)
    return " ".join(each for each in (code, f"Its last words: {said}" if said else "") if each)


def server_name(info: Implementation | None) -> str:
    """What a server calls itself, and its version."""
    return "" if info is None else f"{cleaned(info.name)[:60]} {cleaned(info.version)[:30]}".strip()


def _line(text: str) -> str:
    """The first line of a text, 300 characters at most."""
    return str(redacted(next(iter(cleaned(text).strip().splitlines()), "")))[:300]
