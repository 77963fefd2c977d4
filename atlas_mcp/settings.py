"""What a person configured: `atlas.toml`, the environment and the vendors' own variables, validated.

Precedence: `ATLAS_TABLE__KEY` in the environment, then `atlas.toml`, then the defaults here. Secrets are
`SecretStr` and never printed.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.mistakes import explained

__all__ = [
    "AgentSettings",
    "AlertSettings",
    "GroupSettings",
    "HttpSettings",
    "MemberSettings",
    "MemorySettings",
    "ModelSettings",
    "ObserveSettings",
    "ProviderSettings",
    "RootSettings",
    "RunSettings",
    "ServerSettings",
    "Settings",
    "SpendingSettings",
]


Folder = Annotated[Path, AfterValidator(Path.expanduser)]
"""A folder as a person writes it; `~` is their home also where no shell expands it."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ModelSettings(_Table):
    """`[models]`: who answers prompts."""

    default: str | None = None
    """`vendor:model` or `group:NAME`; None means the first vendor that is configured, else `extractive`."""
    transport: Literal["httpx", "aiohttp"] = "httpx"
    """What carries requests to OpenAI and Anthropic; `aiohttp` needs the extra `fast`."""


_NAME = re.compile(r"[A-Za-z0-9_-]+")
"""A name of a provider or group: it stands before the colon of `NAME:model`, and in messages."""
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*|[A-Za-z_]+")
"""A name of a variable: small letters and digits together are rather a key that was pasted there."""
_TAKEN = frozenset({"openai", "anthropic", "ollama", "extractive", "scripted", "sampling", "group"})


class ProviderSettings(_Table):
    """`[provider.NAME]`: a server of one's own, or a second account; asked for as `NAME:model`.

    Nothing that the vendor's own variables hold (a key, an organisation, headers of a gateway) is sent to it.
    """

    vendor: Literal["openai", "anthropic", "ollama"] = "openai"
    """Whose interface it speaks."""
    base_url: str | None = None
    """Its address; None is the vendor's own."""
    key_env: str | None = None
    """The variable of the environment that holds its key; no other key is ever sent there."""
    api: Literal["auto", "chat", "responses"] = "auto"
    """Which of OpenAI's two interfaces it is asked by."""
    first_token: float | None = Field(default=None, gt=0)
    idle: float | None = Field(default=None, gt=0)
    """How many seconds of silence count as failure, before the answer begins and within it.

    An answer that comes in one piece has ten minutes, or `first_token` where that is longer.
    """

    @field_validator("key_env")
    @classmethod
    def _names_a_variable(cls, value: str | None) -> str | None:
        if value and not _VARIABLE.fullmatch(value):
            # What stands there may be the key itself, so it is not repeated.
            raise ValueError('key_env is the name of a variable, not the key; write key_env = "LAB_KEY"')
        return value

    @property
    def account_with(self) -> str:
        """The vendor whose own address it has, so that the same models are there; empty for other servers."""
        return "" if self.base_url else self.vendor


class MemberSettings(_Table):
    """One of `[group.NAME] members`, where it is more than a name."""

    name: str = Field(min_length=1)
    weight: float = Field(default=1.0, gt=0)


def _as_member(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class GroupSettings(_Table):
    """`[group.NAME]`: several providers that answer as one; times in seconds."""

    members: tuple[Annotated[MemberSettings, BeforeValidator(_as_member)], ...] = Field(min_length=1)
    """`vendor:model` or `group:OTHER`, or tables of `name` and `weight`."""
    strategy: str = "failover"
    """Who is asked first: failover, round_robin, random, cheapest, fastest, adaptive, task_aware."""
    mid_stream: tuple[Literal["prefill", "retell", "restart"], ...] = ("prefill", "retell", "restart")
    """How another may go on in mid-answer; none means that a broken answer fails."""
    refusals: bool = False
    """Whether another may answer what one refused."""
    crawl: float = Field(default=0.1, ge=0, lt=1)
    """The share of its usual speed below which a member is left while another is free; 0 means never."""
    attempts: int = Field(default=6, ge=0, le=50)
    """Further tries of one step: retries, fallbacks and repairs together."""
    first_token: float | None = Field(default=None, gt=0)
    idle: float | None = Field(default=None, gt=0)
    total: float | None = Field(default=None, gt=0)
    wait: float = Field(default=30.0, ge=0)
    """The longest wait for a member that is cooling down."""
    hold: float = Field(default=60.0, gt=0)
    """How long a pause may keep a connection."""
    call_tokens: int | None = Field(default=None, gt=0)
    call_usd: float | None = Field(default=None, gt=0)


class SpendingSettings(_Table):
    """`[budget]`: what may be spent in a day, over all runs of this user."""

    day_usd: float | None = Field(default=None, gt=0)
    day_tokens: int | None = Field(default=None, gt=0)


class RootSettings(_Table):
    """`[roots]`: which folders may be read when a client, not a person at a terminal, names a path."""

    read: tuple[Folder, ...] = ()


class ServerSettings(_Table):
    """`[servers]`: what downstream MCP servers may do for teams."""

    approve: Literal["ask", "granted"] = "ask"
    """Whether a person is asked before a tool with effects is used, or the grant on a card suffices."""
    suspected: Literal["leave_out", "keep"] = "leave_out"
    """What becomes of a passage that reads like an instruction to a model."""
    output: Folder | None = None
    """The folder that documents are written to; None is `files` in the data folder."""


class HttpSettings(_Table):
    """`[http]`: where the HTTP transports listen."""

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    token: SecretStr | None = None
    """A bearer token that clients must send; required to listen beyond loopback."""


class RunSettings(_Table):
    """`[runs]`: how runs are kept."""

    resume_within: float = Field(default=3600.0, ge=0)
    """Seconds after an interruption within which a run goes on by itself at the next start."""
    keep_days: float = Field(default=90.0, gt=0, le=36_500)
    """Days after which a finished run is pruned."""
    at_once: int = Field(default=8, ge=1)
    """How many runs one process works on; the rest are queued."""


class AgentSettings(_Table):
    """`[agents]`: where agents live that remember."""

    runtime: Literal["auto", "in_process", "letta"] = "auto"
    """In this process, or on the server at `LETTA_BASE_URL`; auto is there if that is set, else here."""
    on_failure: Literal["error", "in_process"] = "error"
    """What happens where the Letta server is down at the start: an error, or agents live here."""


class MemorySettings(_Table):
    """`[memory]`: how documents and memories are indexed."""

    embeddings: bool | str = Field(default=True, union_mode="left_to_right")
    """Sentence embeddings: this machine's where installed, or a model such as `ollama:nomic-embed-text`."""
    chroma: str = ""
    """Chroma for vectors of memories: `embedded`, or a server's address such as http://127.0.0.1:8000."""
    chroma_from: int = Field(default=200_000, ge=0)
    """From how many memories of a scope on Chroma is asked; below that exact vectors are as fast."""
    recall: bool = True
    """Give runs what is remembered of earlier ones; a team may do without."""
    learn: bool = True
    """Keep what runs learn; a team may do without."""
    propose: bool = False
    """Let a model put what a run learned into words, by one more call; the same evidence decides."""
    project: str = ""
    """The project whose members share memories; empty is none."""
    neo4j: str = ""
    """A Neo4j server, such as bolt://127.0.0.1:7687; its user by NEO4J_USERNAME and NEO4J_PASSWORD."""
    neo4j_database: str = ""
    """The database there; empty is the server's own choice."""

    @field_validator("embeddings")
    @classmethod
    def _switch_or_model(cls, value: bool | str) -> bool | str:
        if isinstance(value, str) and not all(value.partition(":")):
            raise ValueError("write true, false, or a model such as openai:text-embedding-3-small")
        return value


class ObserveSettings(_Table):
    """`[observe]`: where runs are told of, beside the journal."""

    mlflow: str = ""
    """An MLflow server, such as http://127.0.0.1:5000; empty is `MLFLOW_TRACKING_URI`, if that is set."""
    otlp: str = ""
    """A receiver of OpenTelemetry traces over HTTP, whole with its path; empty is its own variables'."""
    experiment: str = Field(default="atlas", min_length=1, max_length=200)
    """The experiment in MLflow; that of a project is called so, a stroke, and the project."""
    content: bool = True
    """Whether what was asked and answered leaves, secrets taken out; else names, ids and numbers alone."""
    agents: bool = True
    """Whether each member of a team has a run of its own in MLflow, within that of its team."""
    content_days: float = Field(default=0.0, ge=0, le=36_500)
    """For how many days what was said to an ended run stays here; 0: until everybody is told who is to be."""


class AlertSettings(_Table):
    """`[alerts]`: from where on a person is warned; a team's own `[alerts]` come first."""

    seconds: float = Field(default=300.0, ge=0)
    """How long a run may take, pauses and waiting for a person not counted; 0 never warns."""
    cost_usd: float = Field(default=5.0, ge=0)
    """What a run may cost; 0 never warns."""
    quality: float = Field(default=3.5, ge=0, le=5)
    """The least that the runs of a team should score, as a mean over the window; 0 never warns."""
    error_rate: float = Field(default=0.1, ge=0, le=1)
    """The share of a team's runs that may fail, over the window; 1 never warns."""
    window: int = Field(default=20, ge=1, le=1_000)
    """How many of a team's last runs are looked at."""
    quiet_minutes: float = Field(default=60.0, ge=0)
    """How long a team's quality or errors are not warned of again."""
    webhook: SecretStr | None = None
    """An address that each warning is sent to, as JSON."""


class Settings(BaseSettings):
    """Everything configured, with the folder everything is kept in."""

    model_config = SettingsConfigDict(
        env_prefix="ATLAS_", env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True,
        hide_input_in_errors=True,
    )  # fmt: skip

    home: Folder = Field(default_factory=lambda: Path(platformdirs.user_data_dir("atlas", appauthor=False)))
    project: Folder | None = None
    models: ModelSettings = ModelSettings()
    provider: dict[str, ProviderSettings] = {}
    group: dict[str, GroupSettings] = {}
    budget: SpendingSettings = SpendingSettings()
    roots: RootSettings = RootSettings()
    servers: ServerSettings = ServerSettings()
    http: HttpSettings = HttpSettings()
    runs: RunSettings = RunSettings()
    memory: MemorySettings = MemorySettings()
    agents: AgentSettings = AgentSettings()
    observe: ObserveSettings = ObserveSettings()
    alerts: AlertSettings = AlertSettings()

    @field_validator("provider", "group")
    @classmethod
    def _plain_names(cls, value: dict[str, Any]) -> dict[str, Any]:
        if wrong := next((name for name in value if not _NAME.fullmatch(name)), None):
            raise ValueError(f"{wrong!r} is no name; write letters, digits, - and _")
        return value

    @field_validator("provider")
    @classmethod
    def _free_names(cls, value: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        if taken := sorted(_TAKEN & value.keys()):
            raise ValueError(f"{taken[0]} is a provider that ships; choose another name")
        return value

    @property
    def config(self) -> Path:
        """The folder of a person's own configuration."""
        return self.home / "config"

    @property
    def file(self) -> Path:
        """The file of a person's own settings."""
        return self.config / "atlas.toml"

    @classmethod
    def defaults(cls) -> Settings:
        """What holds where nothing is configured but the data folder; no file is read, so it cannot fail."""
        return cls.model_construct(home=_data_folder())

    @classmethod
    def load(cls) -> Settings:
        """Read `atlas.toml` in the data folder and the environment.

        Raises:
            InvalidConfiguration: the file cannot be read, or a key is unknown or wrong; says which.
        """
        folder = _data_folder()
        file = folder / "config" / "atlas.toml"
        tables = _read(file)
        if "home" in tables:
            raise InvalidConfiguration(
                f"{file}: home: the file lies in the data folder, so it cannot name it.",
                remedy="Set ATLAS_HOME instead.",
            )
        try:
            return _with_file(cls, tables)(home=folder)
        except ValidationError as error:
            raise explained(error, file, cls) from None
        except SettingsError as error:
            raise InvalidConfiguration(
                f"Settings are wrong: {error}.",
                remedy="Write a table or list in the environment as JSON, such as"
                " ATLAS_ROOTS__READ='[\"/a/folder\"]'.",
            ) from None


def _data_folder() -> Path:
    return Path(
        os.environ.get("ATLAS_HOME") or platformdirs.user_data_dir("atlas", appauthor=False)
    ).expanduser()


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidConfiguration(
            f"{file} cannot be read: {error.strerror}.", remedy="Mend its permissions, or move it away."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{file}: {error}.", remedy="Correct that line.") from None


def _with_file(settings: type[Settings], tables: dict[str, Any]) -> type[Settings]:
    """The settings with a file's tables below the environment."""

    class FromFile(settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: Any, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            usual = super().settings_customise_sources(settings_cls, *sources, **named)
            return (*usual, InitSettingsSource(settings_cls, init_kwargs=tables))

    return FromFile
