"""What is known of models, as data: `models.toml` beside this file, and a person's own on top.

What more specific entries say wins over what others say, and what a person says over everything. It knows no
vendor: whatever is particular to one stands in the data.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_mcp.providers.known.model_card import ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from atlas_mcp.errors import InvalidConfiguration
    from atlas_mcp.providers.capabilities import Capabilities
    from atlas_mcp.providers.known.model_card import ModelEntry

__all__ = ["Models"]

_SHIPPED = Path(__file__).with_name("models.toml")

log = logging.getLogger(__name__)


class Models:
    """The cards of all models; made by `load`.

    `problems` is what was wrong with a person's own file: the entries in question are left out. `accounts` is
    the vendor by the name of each further account with it.
    """

    def __init__(
        self, own: Iterable[ModelEntry] = (), problems: Iterable[InvalidConfiguration] = (),
        *, accounts: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.problems = tuple(problems)
        self._accounts = accounts or {}
        self._shipped = _shipped()
        self._own = tuple(own)
        self._cards: dict[tuple[str, str], ModelCard] = {}

    @classmethod
    def load(cls, user_file: Path | None = None, *, accounts: Mapping[str, str] | None = None) -> Models:
        """The shipped data with a person's own file on top, if there is one.

        Whatever is wrong with that file costs the entry it stands in, and is logged.
        """
        if user_file is None:
            return cls(accounts=accounts)
        from atlas_mcp.providers.known.model_file import read_models

        entries, problems = read_models(user_file)
        for problem in problems:
            log.warning("%s It is left out.", problem)
        return cls(entries, problems, accounts=accounts)

    def vendor_of(self, name: str) -> str:
        """Whose models an account of that name has."""
        return self._accounts.get(name, name)

    def card(self, vendor: str, model: str) -> ModelCard:
        """What is declared of a model."""
        known = self._cards.get((vendor, model))
        if known is None:
            shipped = _topped(ModelCard(), self._shipped, f"{self.vendor_of(vendor)}:{model}")
            own = self._owned(vendor, model)
            known = ModelCard(shipped.capabilities.insisting(own.capabilities), own.price or shipped.price)
            self._cards[vendor, model] = known
        return known

    def insisted(self, vendor: str, model: str, known: Capabilities) -> Capabilities:
        """What is known of a model, with what a person declared of it on top, there to stay."""
        return known.insisting(self._owned(vendor, model).capabilities)

    def _owned(self, vendor: str, model: str) -> ModelCard:
        """What a person declared of a model: of the vendor's, then of the account's own name."""
        card = ModelCard()
        for name in dict.fromkeys((self.vendor_of(vendor), vendor)):
            card = _topped(card, self._own, f"{name}:{model}")
        return card


def _topped(card: ModelCard, entries: Iterable[ModelEntry], name: str) -> ModelCard:
    """A card with every entry on top that is about the model of that name."""
    for entry in entries:
        if entry.pattern.match(name.lower()):
            card = entry.on(card)
    return card


@cache
def _shipped() -> tuple[ModelEntry, ...]:
    """The entries of the shipped file.

    Raises:
        InvalidConfiguration: the installation is damaged.
    """
    # Validation is a tenth of a second of imports, which whoever opens no provider need not wait for.
    from atlas_mcp.providers.known.model_file import read_models

    entries, problems = read_models(_SHIPPED)
    if problems:
        raise problems[0]
    return entries
