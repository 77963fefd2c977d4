"""Where warnings go beside the journal: the log, and an address of the person's, as JSON."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from atlas_mcp.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pydantic import SecretStr

__all__ = ["Alarm", "alarm"]

PAUSES = (0.0, 2.0, 4.0)
"""Seconds before each try to reach the address."""

SECONDS = 5.0
"""How long one request to the address may take."""

LAST_SECONDS = 2.0
"""How long a closing process waits for warnings under way."""

AT_ONCE = 100
"""Warnings under way; more than that go to the log alone."""

log = logging.getLogger(__name__)


class Alarm:
    """Tells of warnings; made by `alarm`. Whoever rings waits for nothing."""

    def __init__(self, webhook: SecretStr | None = None) -> None:
        self._webhook = webhook
        self._ringing: set[asyncio.Task[None]] = set()

    def ring(self, warning: Mapping[str, Any]) -> None:
        """Tell of a warning: its `text`, and whatever else it holds; secrets are taken out."""
        told = redacted(dict(warning))
        log.warning("%s", told["text"])
        if self._webhook is None or len(self._ringing) >= AT_ONCE:
            return
        task = asyncio.create_task(
            self._post(self._webhook.get_secret_value(), told), name="tell of a warning"
        )
        self._ringing.add(task)
        task.add_done_callback(self._ringing.discard)

    async def close(self) -> None:
        """Let what is under way arrive, if that is a matter of a moment."""
        if self._ringing:
            await asyncio.wait(self._ringing, timeout=LAST_SECONDS)
        for task in list(self._ringing):
            task.cancel()
        if self._ringing:
            await asyncio.wait(self._ringing)

    async def _post(self, address: str, told: Mapping[str, Any]) -> None:
        import httpx

        said = ""
        async with httpx.AsyncClient(timeout=SECONDS) as http:
            for pause in PAUSES:
                await asyncio.sleep(pause)
                try:
                    response = await http.post(address, json=told)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    said = type(error).__name__
                    continue
                if response.is_success:
                    return
                said = f"status {response.status_code}"
        # The address itself may be a secret.
        log.warning("the address at [alerts] webhook did not take a warning: %s", said)


@asynccontextmanager
async def alarm(webhook: SecretStr | None) -> AsyncGenerator[Alarm]:
    """Whoever tells of warnings, to the log and to an address."""
    made = Alarm(webhook)
    try:
        yield made
    finally:
        await made.close()
