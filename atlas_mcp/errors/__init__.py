"""Everything that can go wrong, as one tree. Each error says what was wrong, where, and what to do instead.

```text
AtlasError
├── InvalidInput              what a person or client sent cannot be used
│   ├── InvalidField          one field of a request, which is named
│   ├── UnknownTeam
│   ├── UnknownRun
│   ├── UnknownMemory
│   ├── UnknownServer
│   ├── OutsideRoots          a path that may not be read
│   └── UnreadableDocument
├── InvalidConfiguration      a file of settings, a team folder or a card is wrong
├── NotConfigured             something optional lacks a key, a program or a folder
├── MissingExtra              an optional dependency is not installed
├── IncompatibleStore         a database, or the vectors in it, do not fit this version or model
├── StoreFull                 a database cannot grow: the disk is full, or fails
├── IndexUnavailable          an index derived from the record is down, damaged, or not ours
├── TrackingUnavailable       a server that runs are told to is down, or does not take them
├── InvalidOutput             a model's answer does not fit its schema, after repairs
├── RunError
│   ├── LeaseLost             another process owns the run
│   ├── TeamChanged           the team's folder is not the one the run began with
│   ├── ProviderChanged       another vendor would answer than the one the run was begun with
│   └── NothingToShow         no worker succeeded, so there is no result
├── BudgetSpent               a limit of the run was reached
├── ToolFailed                a tool did not give a result
│   ├── ToolRefused           it may not be called, and was not
│   └── DownstreamFailed      its server did not start, or went away
├── AgentRuntimeError         what the place where agents live did
│   ├── RuntimeUnavailable    it is down, refuses us, or went away
│   ├── UnknownAgent
│   └── TurnLost              whether a turn was taken cannot be known
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

from atlas_mcp.errors.general import (
    AgentRuntimeError,
    AtlasError,
    BudgetSpent,
    DownstreamFailed,
    IncompatibleStore,
    IndexUnavailable,
    InvalidConfiguration,
    InvalidField,
    InvalidInput,
    InvalidOutput,
    LeaseLost,
    MissingExtra,
    NotConfigured,
    NothingToShow,
    OutsideRoots,
    ProviderChanged,
    RunError,
    RuntimeUnavailable,
    StoreFull,
    TeamChanged,
    ToolFailed,
    ToolRefused,
    TrackingUnavailable,
    TurnLost,
    UnknownAgent,
    UnknownMemory,
    UnknownRun,
    UnknownServer,
    UnknownTeam,
    UnreadableDocument,
)
from atlas_mcp.errors.providers import (
    Authentication,
    Cancelled,
    ConnectionFailed,
    ContentRefused,
    ContextTooLong,
    InvalidRequest,
    MalformedResponse,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    PoolExhausted,
    ProviderError,
    ProviderTimeout,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
    Stalled,
    StreamBroken,
    Unavailable,
    Unsupported,
)

__all__ = [
    "AgentRuntimeError",
    "AtlasError",
    "Authentication",
    "BudgetSpent",
    "Cancelled",
    "ConnectionFailed",
    "ContentRefused",
    "ContextTooLong",
    "DownstreamFailed",
    "IncompatibleStore",
    "IndexUnavailable",
    "InvalidConfiguration",
    "InvalidField",
    "InvalidInput",
    "InvalidOutput",
    "InvalidRequest",
    "LeaseLost",
    "MalformedResponse",
    "MissingExtra",
    "ModelNotFound",
    "NotConfigured",
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
    "RuntimeUnavailable",
    "ServerFailed",
    "Stalled",
    "StoreFull",
    "StreamBroken",
    "TeamChanged",
    "ToolFailed",
    "ToolRefused",
    "TrackingUnavailable",
    "TurnLost",
    "Unavailable",
    "UnknownAgent",
    "UnknownMemory",
    "UnknownRun",
    "UnknownServer",
    "UnknownTeam",
    "UnreadableDocument",
    "Unsupported",
]
