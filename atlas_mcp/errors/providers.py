"""What a model provider did, one leaf a class of failure."""

from __future__ import annotations

from typing import Any, ClassVar

from atlas_mcp.errors.general import AtlasError

__all__ = [
    "Authentication",
    "Cancelled",
    "ConnectionFailed",
    "ContentRefused",
    "ContextTooLong",
    "InvalidRequest",
    "MalformedResponse",
    "ModelNotFound",
    "Overloaded",
    "PermissionDenied",
    "PoolExhausted",
    "ProviderError",
    "ProviderTimeout",
    "QuotaExceeded",
    "RateLimited",
    "ServerFailed",
    "Stalled",
    "StreamBroken",
    "Unavailable",
    "Unsupported",
]


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
