"""What every provider over a vendor's official SDK shares: its connection, its patience and its failures.

The SDK does authentication, addresses and connections; its objects are left out, because building them costs
several times as much as everything else on the way of a token. What is particular to a vendor (how its client
is made, what a request looks like, how an answer is read) is a `Dialect`, in the file that bears its name.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from atlas_mcp import errors
from atlas_mcp.errors import ProviderError
from atlas_mcp.providers.meter import Calibration, Meter
from atlas_mcp.providers.provider import Health, ProviderInfo
from atlas_mcp.providers.stream import Stream
from atlas_mcp.providers.terms import TERMS, Patience, Terms
from atlas_mcp.providers.wires.errors import redacted, remedy_for, unsendable
from atlas_mcp.providers.wires.exchange import SEALS, Exchange, explained, refused_parameter
from atlas_mcp.providers.wires.surroundings import unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import ModuleType

    from pydantic import SecretStr

    from atlas_mcp.chunks import Chunk
    from atlas_mcp.messages import JsonObject, Prompt
    from atlas_mcp.providers.capabilities import Capabilities
    from atlas_mcp.providers.wires.exchange import Assembly, Decoder, Response

__all__ = ["Declared", "Dialect", "Embeds", "VendorProvider"]

Declared: TypeAlias = "Callable[[str], Capabilities]"
"""What is declared of a model of that name."""

_logger = logging.getLogger(__name__)
_FEW = 5


class Dialect(Protocol):
    """How one vendor's SDK is opened and asked, and how its answers are read; `vendor` is who gives them."""

    vendor: str

    def modules(self) -> tuple[ModuleType, type[Exception]]:
        """The HTTP library under the SDK, and the base class of the SDK's own errors."""
        ...

    def open_client(self, patience: Patience) -> Any:
        """The SDK's client, with its own retries and read time limits off; blocks while it imports."""
        ...

    async def close_client(self, client: Any) -> None:
        """Close its connections."""
        ...

    def body(self, prompt: Prompt, model: str, terms: Terms, without: Collection[str]) -> JsonObject:
        """The request; `without` names the parameters that the server is known to refuse."""
        ...

    def ask(self, client: Any, body: JsonObject) -> AbstractAsyncContextManager[Response]:
        """Send the request; entering gives the response once its headers came, or raises for a refusal."""
        ...

    def reading(self, body: JsonObject, prompt: Prompt, meter: Meter) -> tuple[Decoder, Assembly]:
        """What makes events of bytes, and chunks of events."""
        ...

    async def models(self, client: Any) -> list[str]:
        """The names of the models there are, the usual one first."""
        ...

    async def report(self, client: Any, model: str, known: Capabilities) -> Capabilities:
        """What the vendor's own interface says that the model can do, on top of what is known."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """A dialect in which vectors of texts can be asked for as well."""

    async def embed(self, client: Any, model: str, texts: Sequence[str]) -> list[list[float]]:
        """The vector of each text, in their order, as the server gives it.

        Raises:
            MalformedResponse: the answer holds none.
        """
        ...


class VendorProvider:
    """Answers prompts through a vendor's SDK, spoken to in its dialect.

    Without a `model` it asks the server which it has, and takes the first. What a server refuses by name (a
    parameter, structured output) is left out from then on. `inquires` has it ask before its first prompt what
    the model can do; what a model is known to lack is not asked of it.

    `declared` gives what is declared of a model that the server named. `remedies` say what to do about a
    failure better than the general ones; `{model}` in them stands for the model's name. `refusals` says what
    of a request a message of the server's refuses, where its wire needs a reading of its own.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        model: str,
        key: SecretStr,
        capabilities: Capabilities,
        address: str = "",
        refused: Collection[str] = (),
        patience: Patience | None = None,
        inquires: bool = False,
        declared: Declared | None = None,
        remedies: Mapping[type[ProviderError], str] | None = None,
        refusals: Callable[[str, JsonObject], str | None] | None = None,
    ) -> None:
        self._dialect = dialect
        self._key = key
        self._patience = patience or Patience()
        self._refused = set(refused)
        self._inquires = inquires
        self._remedies = remedies or {}
        self._refusals = refusals
        self._calibration = Calibration()
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._declared = declared
        vendor = dialect.vendor
        self._info = ProviderInfo(
            f"{vendor}:{model}" if model else vendor,
            vendor,
            model,
            capabilities=capabilities,
            address=address,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._info.name!r})"

    @property
    def info(self) -> ProviderInfo:
        """Who answers; the model is empty until the server was asked for it."""
        return self._info

    def stream(self, prompt: Prompt, terms: Terms = TERMS) -> Stream:
        """The answer to a prompt, not yet begun."""
        exchange = Exchange(Meter(prompt, self._calibration), terms.patience(self._patience))
        stream = Stream(self._chunks(prompt, terms, exchange), meter=exchange.meter, tidy=True)
        exchange.metrics = stream.control.metrics
        return stream

    async def warm(self) -> None:
        """Import the SDK and open its client, away from the event loop."""
        await self._connected()

    async def check(self) -> Health:
        """Whether the server answers, takes our key and has the model; costs nothing."""
        since = perf_counter()
        try:
            client = await self._connected()
            async with asyncio.timeout(self._patience.connect * 2):
                names = await self._dialect.models(client)
                known = await self._dialect.report(client, self._info.model, self._info.capabilities)
        except TimeoutError:
            return Health(answers=False, seconds=perf_counter() - since, says="it does not answer in time")
        except errors.InvalidConfiguration as error:
            says = f"{error.code}: {error.message}"
            return Health(answers=False, seconds=perf_counter() - since, says=says, remedy=error.remedy)
        except (ProviderError, *self._foreign()) as error:
            failure = self._explained(error, None)
            return Health(False, perf_counter() - since, f"{failure.code}: {failure.message}", failure.remedy)
        model = self._info.model
        if model:
            self._info = replace(self._info, capabilities=known)
        there = not model or not names or model in names
        says = f"answers, {len(names)} model{'' if len(names) == 1 else 's'}"
        if there:
            return Health(True, perf_counter() - since, says, capabilities=known)
        few = ", ".join(names[:_FEW])
        return Health(
            answers=False, seconds=perf_counter() - since, says=f"{says}, but none is called {model}",
            remedy=f"Name one that it has: {few}{' …' if len(names) > _FEW else ''}.",
        )  # fmt: skip

    @property
    def embeds(self) -> bool:
        """Whether it can be asked for vectors of texts."""
        return isinstance(self._dialect, Embeds)

    async def embed(self, texts: Sequence[str], *, seconds: float) -> list[list[float]]:
        """The vector of each text, in their order, as its model gives it; in one request."""
        if not isinstance(self._dialect, Embeds):
            raise errors.Unsupported(f"{self._info.name} gives no vectors of texts.")
        try:
            client = await self._connected()
            async with asyncio.timeout(seconds):
                return await self._dialect.embed(client, self._info.model, texts)
        except TimeoutError:
            failure: Exception = errors.ProviderTimeout(f"No vectors came within {seconds:.0f} s.")
        except ValueError as error:
            failure = unsendable(error)
        except (ProviderError, *self._foreign()) as error:
            failure = error
        raise self._explained(failure, None)

    async def aclose(self) -> None:
        """Close the connections; further streams fail."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await self._dialect.close_client(client)

    async def _chunks(self, prompt: Prompt, terms: Terms, exchange: Exchange) -> AsyncGenerator[Chunk, None]:
        """The answer; whatever goes wrong on its way is an error of ours, after what it took."""
        client = await self._connected()
        http, _ = self._dialect.modules()
        try:
            async with AsyncExitStack() as stack:
                stack.callback(exchange.watch(http, terms.deadline).close)
                response = await self._ask(client, prompt, terms, exchange, stack)
                decoder, assembly = self._dialect.reading(exchange.body, prompt, exchange.meter)
                exchange.begin(response, assembly)
                if exchange.streams:
                    pieces = await stack.enter_async_context(aclosing(exchange.pieces(response)))
                    while (piece := await exchange.next_piece(pieces)) is not None:
                        for event in decoder.feed(piece):
                            for chunk in assembly.take(event):
                                yield chunk
                    last = assembly.end()
                else:
                    last = await exchange.whole(response)
        except (ProviderError, *self._foreign()) as error:
            failure = self._explained(error, exchange)
        else:
            # The wire is free before the reader hears that the answer is whole.
            for chunk in last:
                yield chunk
            return
        if exchange.meter.began and exchange.meter.pieces:
            yield exchange.meter.usage()
        raise failure

    async def _ask(
        self, client: Any, prompt: Prompt, terms: Terms, exchange: Exchange, stack: AsyncExitStack
    ) -> Response:
        """Send the request; again, with less, while the server refuses something that can be left out."""
        if not self._info.model:
            with exchange.waiting:
                names = await self._dialect.models(client)
            self._name_model(names)
        if self._inquires:
            with exchange.waiting:
                await self._inquire(client)
        if lacking := self._info.capabilities.lacking(prompt, 0):
            raise errors.Unsupported(f"{self._info.name} lacks {' and '.join(lacking)}.")
        left_out: set[str] = set()
        while True:
            exchange.body = self._dialect.body(prompt, self._info.model, terms, self._refused | left_out)
            try:
                with exchange.waiting:
                    return await stack.enter_async_context(self._dialect.ask(client, exchange.body))
            except ValueError as error:
                raise unsendable(error) from None
            except self._foreign() as error:
                name = refused_parameter(error, exchange.body, self._refusals)
                if name is None or name in left_out:
                    raise
                left_out.add(name)
                _logger.warning("%s refuses %s; going on without it", self._info.name, name)
                if name != SEALS:
                    self._refused.add(name)

    async def _inquire(self, client: Any) -> None:
        """Ask the server what the model can do, once if it says so, however many prompts wait for that."""
        async with self._opening:
            if self._inquires:
                info = self._info
                known = await self._dialect.report(client, info.model, info.capabilities)
                self._info = replace(info, capabilities=known)
                self._inquires = known is info.capabilities

    def _name_model(self, names: list[str]) -> None:
        vendor = self._info.vendor
        if not names:
            raise errors.ModelNotFound(
                "The server has no model.", remedy=f"Load one, or name one: {vendor}:MODEL."
            )
        known = self._info.capabilities if self._declared is None else self._declared(names[0])
        self._info = replace(self._info, name=f"{vendor}:{names[0]}", model=names[0], capabilities=known)

    async def _connected(self) -> Any:
        if self._client is not None:
            return self._client
        async with self._opening:
            if self._closed:
                raise errors.Unavailable(
                    "The provider was closed.", provider=self._info.vendor, model=self._info.model
                )
            if self._client is None:
                # The first import takes a second, and certificates are read from disk.
                try:
                    self._client = await asyncio.to_thread(self._dialect.open_client, self._patience)
                except (ImportError, OSError, ValueError) as error:
                    raise unreachable(error) from None
                except self._foreign() as error:
                    raise unreachable(error) from None
            return self._client

    def _foreign(self) -> tuple[type[Exception], ...]:
        """Whatever the SDK and its transport raise."""
        http, sdk_error = self._dialect.modules()
        return sdk_error, http.HTTPError, http.StreamError, http.InvalidURL

    def _explained(self, error: Exception, exchange: Exchange | None) -> ProviderError:
        """Any failure as a leaf that names who failed, without a secret and without the SDK's error."""
        http, _ = self._dialect.modules()
        if exchange is not None and (refusal := getattr(error, "response", None)) is not None:
            exchange.note(refusal.headers)
        began = exchange is not None and exchange.meter.began
        ours = isinstance(error, ProviderError)
        failure = error if ours else explained(error, http, began=began, secret=self._key)
        failure.provider, failure.model = self._info.vendor, self._info.model
        better = self._remedies.get(type(failure))
        if better and not (ours and failure.remedy):
            failure.remedy = better.format(model=self._info.model)
        failure.remedy = failure.remedy or remedy_for(type(failure))
        if exchange is not None:
            failure.request_id = failure.request_id or exchange.request_id
        # What a server said within its stream may hold the key, and what led here the whole request.
        failure.message = redacted(failure.message, self._key.get_secret_value())
        failure.args = (failure.message,)
        failure.__cause__ = failure.__context__ = None
        return failure.with_traceback(None)
