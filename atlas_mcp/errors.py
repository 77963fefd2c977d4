"""Everything that can go wrong, as one tree. Each error says what was wrong, where, and what to do instead.

```text
AtlasError
├── InvalidInput              what a person or client sent cannot be used
│   ├── InvalidField          one field of a request, which is named
│   ├── UnknownTeam
│   ├── UnknownRun
│   ├── OutsideRoots          a path that may not be read
│   └── UnreadableDocument
├── InvalidConfiguration      a file of settings, a team folder or a card is wrong
├── MissingExtra              an optional dependency is not installed
├── IncompatibleStore         a database, or the vectors in it, do not fit this version or model
├── InvalidOutput             a model's answer does not fit its schema, after repairs
├── RunError
│   ├── LeaseLost             another process owns the run
│   ├── TeamChanged           the team's folder is not the one the run began with
│   ├── ProviderChanged       another vendor would answer than the one the run was begun with
│   └── NothingToShow         no worker succeeded, so there is no result
├── BudgetSpent               a limit of the run was reached
├── ToolFailed                a tool did not give a result
└── ProviderError             what a model provider did, one leaf a class of failure
    ├── Authentication        ├── RateLimited        ├── Stalled
    ├── PermissionDenied      ├── Overloaded         ├── MalformedResponse
    ├── ModelNotFound         ├── ServerFailed       ├── ContextTooLong
    ├── InvalidRequest        ├── ConnectionFailed   ├── ContentRefused
    ├── Unsupported           ├── ProviderTimeout    ├── PoolExhausted
    ├── QuotaExceeded         ├── StreamBroken       └── Cancelled
    └── Unavailable           everyone who could answer failed, or is cooling down
```
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "AtlasError",
    "Authentication",
    "BudgetSpent",
    "Cancelled",
    "ConnectionFailed",
    "ContentRefused",
    "ContextTooLong",
    "IncompatibleStore",
    "InvalidConfiguration",
    "InvalidField",
    "InvalidInput",
    "InvalidOutput",
    "InvalidRequest",
    "LeaseLost",
    "MalformedResponse",
    "MissingExtra",
    "ModelNotFound",
    "NothingToShow",
    "OutsideRoots",
    "Overloaded",
    "PermissionDenied",
    "PoolExhausted",
    "ProviderChanged",
    "ProviderError",
    "ProviderTimeout",
    "QuotaExceeded",
    "RateLimited",
    "RunError",
    "ServerFailed",
    "Stalled",
    "StreamBroken",
    "TeamChanged",
    "ToolFailed",
    "Unavailable",
    "UnknownRun",
    "UnknownTeam",
    "UnreadableDocument",
    "Unsupported",
]


class AtlasError(Exception):
    """Something ATLAS can name: `message` says what was wrong and where, `remedy` what to do."""

    code: ClassVar[str] = "atlas_error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON: `code`, `message`, `remedy` and what its class adds."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy}


class InvalidInput(AtlasError):
    """What a person or client sent cannot be used."""

    code = "invalid_input"


class InvalidField(InvalidInput):
    """A field of a request cannot be used; `field` is its path, such as `messages[0].content`."""

    code = "invalid_field"

    def __init__(self, message: str, *, field: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with the field's path."""
        return {**super().to_dict(), "field": self.field}


class UnknownTeam(InvalidInput):
    """No team has that name."""

    code = "unknown_team"


class UnknownRun(InvalidInput):
    """No run has that id, or it is not this user's."""

    code = "unknown_run"


class OutsideRoots(InvalidInput):
    """A path lies outside every folder that may be read."""

    code = "outside_roots"


class UnreadableDocument(InvalidInput):
    """A document is missing, empty, binary, too large or damaged."""

    code = "unreadable_document"


class InvalidConfiguration(AtlasError):
    """A file of settings, a team folder or an agent card is wrong; the message names file and key."""

    code = "invalid_configuration"


class MissingExtra(AtlasError):
    """An optional dependency is needed and not installed."""

    code = "missing_extra"


class IncompatibleStore(AtlasError):
    """Stored data does not fit this version of ATLAS or the embedding model in use."""

    code = "incompatible_store"


class InvalidOutput(AtlasError):
    """A model's answer does not fit the wished-for schema after every permitted repair."""

    code = "invalid_output"

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.problems = problems

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with every problem found."""
        return {**super().to_dict(), "problems": list(self.problems)}


class RunError(AtlasError):
    """A run cannot go on."""

    code = "run_error"


class LeaseLost(RunError):
    """Another process owns the run now; this one must stop touching it."""

    code = "lease_lost"


class TeamChanged(RunError):
    """The team's folder differs from the one the run began with."""

    code = "team_changed"


class ProviderChanged(RunError):
    """Another vendor would answer the run's prompts than the one it was begun with."""

    code = "provider_changed"


class NothingToShow(RunError):
    """No worker gave a usable result."""

    code = "nothing_to_show"


class BudgetSpent(AtlasError):
    """A limit of the run (seconds, calls, tokens, money) was reached."""

    code = "budget_spent"


class ToolFailed(AtlasError):
    """A tool did not give a result."""

    code = "tool_failed"


class ProviderError(AtlasError):
    """A model provider failed.

    `provider` and `model` name who; `status` is the HTTP status and `request_id` the vendor's id where
    there is one; `retry_after` is in seconds. The class attributes say what may be tried next:
    `retryable` the same member again while nothing was emitted, `fall_back` another member.
    """

    code = "provider_error"
    retryable: ClassVar[bool] = False
    fall_back: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str = "",
        model: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.provider = provider
        self.model = model
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with who failed and what may be tried."""
        return {
            **super().to_dict(),
            "provider": self.provider,
            "model": self.model,
            "status": self.status,
            "request_id": self.request_id,
            "retry_after": self.retry_after,
            "retryable": self.retryable,
        }


class Authentication(ProviderError):
    """The key is missing or wrong."""

    code = "authentication"


class PermissionDenied(ProviderError):
    """The key may not do this."""

    code = "permission_denied"


class QuotaExceeded(ProviderError):
    """The account's money or quota is spent."""

    code = "quota_exceeded"


class ModelNotFound(ProviderError):
    """The provider does not know the model."""

    code = "model_not_found"


class InvalidRequest(ProviderError):
    """The provider refused the request's form; the same request fails everywhere."""

    code = "invalid_request"
    fall_back = False


class Unsupported(ProviderError):
    """The model cannot do what the prompt needs (tools, images, a parameter); another might."""

    code = "unsupported"


class ContextTooLong(ProviderError):
    """The prompt does not fit the model's window."""

    code = "context_too_long"


class ContentRefused(ProviderError):
    """The model or its filter refused to answer."""

    code = "content_refused"


class RateLimited(ProviderError):
    """Too many requests; `retry_after` says when to try again where the provider does."""

    code = "rate_limited"
    retryable = True


class Overloaded(ProviderError):
    """The provider has no capacity now."""

    code = "overloaded"
    retryable = True


class ServerFailed(ProviderError):
    """The provider failed on its side."""

    code = "server_failed"
    retryable = True


class ConnectionFailed(ProviderError):
    """No connection could be made."""

    code = "connection_failed"
    retryable = True


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""

    code = "provider_timeout"
    retryable = True


class PoolExhausted(ProviderError):
    """Every connection of our own pool is in use; the provider is not at fault."""

    code = "pool_exhausted"
    retryable = True
    fall_back = False


class StreamBroken(ProviderError):
    """The stream ended without its terminal event; what came before is not a whole answer."""

    code = "stream_broken"
    retryable = True


class Stalled(ProviderError):
    """The stream went silent for longer than allowed."""

    code = "stalled"
    retryable = True


class MalformedResponse(ProviderError):
    """What came over the wire is not what the protocol says."""

    code = "malformed_response"
    retryable = True


class Unavailable(ProviderError):
    """No member can take the call now: `failures` is what they met; one is ready in `retry_after` seconds."""

    code = "unavailable"

    def __init__(self, message: str, *, failures: tuple[ProviderError, ...] = (), **more: Any) -> None:
        super().__init__(message, **more)
        self.failures = failures

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON, with every member's failure."""
        return {**super().to_dict(), "failures": [failure.to_dict() for failure in self.failures]}


class Cancelled(ProviderError):
    """The stream was cancelled by whoever controls it."""

    code = "cancelled"
    fall_back = False
