"""The vendors' providers, each opened against a fake server that speaks its wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from atlas_mcp.providers import anthropic, ollama, openai
from tests.providers.asking import KEY

if TYPE_CHECKING:
    from atlas_mcp.providers.terms import Patience
    from atlas_mcp.providers.vendor import VendorProvider

MODEL = "fake-model"


class Opening(Protocol):
    """Opens a vendor's provider for the server at an address."""

    def __call__(
        self, address: str, *, model: str = MODEL, key: str = KEY, patience: Patience | None = None
    ) -> VendorProvider:
        """The provider, not yet connected."""
        ...


def _chat(
    address: str, *, model: str = MODEL, key: str = KEY, patience: Patience | None = None
) -> VendorProvider:
    base = f"{address}/v1"
    return openai.open_provider(model, api_key=key, base_url=base, patience=patience, api="chat")


def _responses(
    address: str, *, model: str = MODEL, key: str = KEY, patience: Patience | None = None
) -> VendorProvider:
    base = f"{address}/v1"
    return openai.open_provider(model, api_key=key, base_url=base, patience=patience, api="responses")


def _anthropic(
    address: str, *, model: str = MODEL, key: str = KEY, patience: Patience | None = None
) -> VendorProvider:
    return anthropic.open_provider(model, api_key=key, base_url=address, patience=patience)


def _ollama(
    address: str, *, model: str = MODEL, key: str = KEY, patience: Patience | None = None
) -> VendorProvider:
    return ollama.open_provider(model, api_key=key, base_url=address, patience=patience)


VENDORS: dict[str, Opening] = {
    "OpenAI chat": _chat,
    "OpenAI responses": _responses,
    "Anthropic": _anthropic,
    "Ollama": _ollama,
}
"""Every vendor's wire, by the name that people know it by."""
