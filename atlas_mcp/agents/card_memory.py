"""The key `memory` of a card: the blocks that stand in the agent's prompt and that it edits itself.

```yaml
memory:
  notes: { description: "What you learned that will matter again." }
  house_style: { description: "How we write.", value: "Plain words.", read_only: true, shared: true }
  wishes: { recalled: true }
```

A list of labels (`memory: [notes]`) gives each the defaults. Claude Code's `memory: user` (or `project`,
`local`) gives one block, `notes`.
"""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeAlias, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from atlas_mcp.agents.embedded.blocks import LABEL

__all__ = ["BLOCK_KEYS", "CardMemory", "MemoryBlock"]

BLOCK_KEYS = (
    "A block of memory may have description, value, limit (characters), read_only, shared and recalled."
)

_SCOPES = frozenset({"user", "project", "local"})
"""What Claude Code's agent files say here."""
_NOTES = "notes"
_PURPOSE = "What you learned that will matter again: facts, preferences, what worked and what did not."


class MemoryBlock(BaseModel):
    """One block: at most `limit` characters; `shared` is one and the same for all of the team who name it.

    A `recalled` one is filled before each task with the preferences and procedures that are remembered of the
    user and the team; the agent only reads it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = _PURPOSE
    value: str = ""
    limit: int = Field(default=4_000, ge=1, le=50_000)
    read_only: bool = False
    shared: bool = False
    recalled: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.value) > self.limit:
            raise ValueError(f"its value has {len(self.value):,} characters and its limit is {self.limit:,}")
        if self.recalled and (self.value or self.shared):
            raise ValueError("it is recalled, so that memory gives its value; leave value and shared out")
        if self.read_only and not self.recalled and not self.value.strip():
            raise ValueError("it is read_only and says nothing; give it a value")
        return self


def _labelled(value: object) -> object:
    """A mapping by label, however it was written."""
    if value is None:
        return {}
    if isinstance(value, str):
        value = [_NOTES] if value in _SCOPES else [part.strip() for part in value.split(",")]
    if isinstance(value, list):
        labels = cast("list[object]", value)
        if doubled := sorted({str(label) for label in labels if labels.count(label) > 1}):
            raise ValueError(f"{doubled[0]!r} is named twice")
        value = dict.fromkeys(labels)
    if not isinstance(value, dict):
        raise ValueError("write a list of labels, or a mapping from labels to what each block is")  # noqa: TRY004 - what Pydantic turns into its own error
    blocks: dict[object, Any] = cast("dict[object, Any]", value)
    for label in blocks:
        if not isinstance(label, str) or not LABEL.fullmatch(label):
            raise ValueError(
                f"{label!r} cannot be a label; begin with a letter, then letters, digits, - and _, 50 in all"
            )
    defaults: dict[str, Any] = {}
    return {label: defaults if given is None else given for label, given in blocks.items()}


CardMemory: TypeAlias = Annotated[dict[str, MemoryBlock], BeforeValidator(_labelled)]
"""Blocks by their label, in the order in which they stand in the prompt."""
