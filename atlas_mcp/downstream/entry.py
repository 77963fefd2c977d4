"""One `servers/<name>.toml`: how a downstream MCP server is started or reached, and what its tools are.

A file names environment variables and never holds their values. `${NAME}` stands for such a variable,
`{roots}` for the folders that may be read, `{output}` for the one that documents are written to, `{data}` for
a folder of the server's own.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from atlas_mcp.errors import InvalidConfiguration
from atlas_mcp.mistakes import in_words, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

__all__ = [
    "NAME",
    "VARIABLE",
    "Entry",
    "Fetching",
    "Limits",
    "Recipe",
    "Searching",
    "Shape",
    "checked_entry",
    "load_entry",
]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""A server's name: small letters, digits, - and _; it stands before the stroke of `server/tool`."""

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""An environment variable, where a text of an entry stands for its value."""

_PLACES = frozenset({"roots", "output", "data"})
_PLACE = re.compile(r"\{([a-z]+)\}")
_GROUPS = frozenset({"uri", "title", "text", "time"})
_WRITTEN = frozenset(
    {"cells", "columns", "file", "header", "level", "number", "rows", "sheet", "sheets"}
    | {"text", "texts", "title"}
)

Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Paths = tuple[str, ...]
"""Where in a result a value stands: keys joined by points, the first that is there counts."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Limits(_Table):
    """`[limits]`: what one server may take."""

    start_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long it may take to start and list its tools."""
    seconds: float = Field(default=60.0, gt=0, le=3600)
    """How long one call may take."""
    idle_seconds: float = Field(default=600.0, gt=0)
    """After so long without a call a local server is stopped; the next call starts it again."""
    at_once: int = Field(default=4, ge=1, le=64)
    """Calls under way at the same time; more wait."""
    per_minute: int | None = Field(default=None, ge=1)
    """Calls begun in a minute; more wait, as long as their time limit allows."""
    characters: int = Field(default=20_000, ge=200, le=1_000_000)
    """Of a result without sources, as the model sees it."""
    megabytes: float = Field(default=10.0, gt=0, le=100)
    """Of one message of the server; a larger one is not read."""


class Searching(_Table):
    """`[search]`: the tool by which a worker begins with a search for its goal, also without a model."""

    tool: str
    query: str = "query"
    """The argument that takes the words looked for."""
    arguments: dict[str, Any] = {}


class Fetching(_Table):
    """`[fetch]`: the tool that reads a page at an address, for documents that are named by one."""

    tool: str
    url: str = "url"
    """The argument that takes the address; as a list where `many`."""
    many: bool = False
    arguments: dict[str, Any] = {}


class Shape(_Table):
    """`[results.TOOL]`: where in a tool's result its sources stand.

    Without `items`, `lines` and `pattern` the whole result is one source. A path is keys joined by points, or
    several such joined by `+`, all of which count; `@name` is an argument of the call, and the empty path is
    the text itself, in `items` the whole result. Texts of a list are joined, a list of lists is a table of
    lines; a list on the way is walked through, and `items` takes what stands at all of its paths.
    """

    items: Paths = ()
    lines: bool = False
    """Whether each line of the text is an item, as JSON; one that is no object is passed over."""
    pattern: str = ""
    """For prose, a regular expression of Python's with groups among `uri`, `title`, `text` and `time`, where
    ^ and $ stand at lines: each match is a source. Where a group matches nothing its paths count, which are
    arguments of the call then."""
    uri: Paths = ("url", "uri", "link", "html_url")
    title: Paths = ("title", "name")
    text: Paths = ("text", "content", "markdown", "snippet", "description")
    time: Paths = ("published_date", "published", "date", "updated_at")
    number: str = ""
    """The argument by which so many sources are wished for: more than that are forged."""
    most: int | None = Field(default=None, ge=1)
    """How many there are at most where it is not given."""
    prefix: str = ""
    """What stands before the value of `uri` to make it an address, such as `file://`; in it `{@name}` is an
    argument of the call."""

    @property
    def expression(self) -> re.Pattern[str]:
        """`pattern`, compiled."""
        return re.compile(self.pattern, re.MULTILINE)

    @model_validator(mode="after")
    def _one_kind(self) -> Shape:
        if bool(self.items) + self.lines + bool(self.pattern) > 1:
            raise ValueError("write one of items, lines and pattern")
        groups = _compiled(self.pattern).groupindex.keys()
        if self.pattern and not groups & _GROUPS:
            raise ValueError(
                "pattern has none of the groups (?P<uri>…), (?P<title>…), (?P<text>…), (?P<time>…)"
            )
        if unknown := sorted(groups - _GROUPS):
            raise ValueError(f"pattern has a group {unknown[0]!r}; there are uri, title, text and time")
        return self


class Recipe(_Table):
    """`[files.EXTENSION]`: the calls by which a finished document becomes a file.

    Each is `{tool = …, arguments = {…}}`. In a text `{file}`, `{title}`, `{text}`, `{sheet}` and `{header}`
    (the cells of a table's first row, as A1:D1) stand for what is written; a text that is `{level}`,
    `{rows}`, `{columns}`, `{number}`, `{cells}` (a list of rows, where a number is one), `{texts}` (the same
    as texts alone) or `{sheets}` (the names of all sheets) and nothing else becomes the number or the list
    itself. A table's first row are the names of its columns; `{rows}` counts it.
    """

    worked: str = ""
    """A regular expression that the text of each result matches where the call worked, for a server that
    reports failures as results like any other."""
    create: tuple[dict[str, Any], ...] = Field(min_length=1)
    heading: tuple[dict[str, Any], ...] = ()
    paragraph: tuple[dict[str, Any], ...] = ()
    item: tuple[dict[str, Any], ...] = ()
    table: tuple[dict[str, Any], ...] = ()
    sheet: tuple[dict[str, Any], ...] = ()
    finish: tuple[dict[str, Any], ...] = ()

    @property
    def calls(self) -> tuple[dict[str, Any], ...]:
        """Every call of the recipe."""
        parts = (self.heading, self.paragraph, self.item, self.table, self.sheet, self.finish)
        return self.create + tuple(call for part in parts for call in part)

    @model_validator(mode="after")
    def _each_a_call(self) -> Recipe:
        _compiled(self.worked)
        for call in self.calls:
            tool, arguments = call.get("tool"), call.get("arguments", {})
            plain = isinstance(tool, str) and isinstance(arguments, dict)
            if not plain or call.keys() - {"tool", "arguments"}:
                raise ValueError("each call is {tool = …, arguments = {…}}")
            for text in _texts(arguments):
                if unknown := sorted(set(_PLACE.findall(text)) - _WRITTEN):
                    raise ValueError(
                        f"{{{unknown[0]}}} stands for nothing; there are {', '.join(sorted(_WRITTEN))}"
                    )
        return self


class Entry(_Table):
    """A downstream server as its file describes it."""

    name: str
    title: str = ""
    description: str = Field(min_length=1, max_length=500)
    homepage: str = ""
    enabled: bool = True
    """Whether teams may use it; what shipped and needs no key of yours is off until you say so."""

    command: str = ""
    args: tuple[str, ...] = ()
    cwd: str = ""
    url: str = ""
    transport: Literal["http", "sse"] = "http"
    headers: dict[str, str] = {}
    needs: tuple[Variable, ...] = ()
    """Variables without which it is not configured; they are passed on."""
    env: tuple[Variable, ...] = ()
    """Further variables that are passed on where they are set."""
    values: dict[Variable, str] = {}
    """Variables with plain values that are no secret."""

    tools: tuple[str, ...] = ("*",)
    """Which of its tools exist for us, by pattern."""
    arguments: dict[str, tuple[str, ...]] = {}
    """Of a tool named here, an agent sees and gives these arguments alone."""
    paths: tuple[str, ...] = ()
    """Arguments, of whichever tool, that are paths: they stay inside the folders that a person named."""
    read_only: tuple[str, ...] | None = None
    """Which of them only read, by pattern; None takes the server's word for it."""
    web: bool = False
    """Whether its results come from the open web: a role that has a tool of it gets none with effects."""
    ask: bool = True
    """Whether a person approves its calls with effects, where `[servers] approve` says so."""
    cache_seconds: float = Field(default=0.0, ge=0)
    """How long the result of a tool that only reads serves for the same arguments again."""
    cost_usd: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """What one call of a tool costs, by pattern."""
    search: Searching | None = None
    fetch: Fetching | None = None
    results: dict[str, Shape] = {}
    files: dict[str, Recipe] = {}
    limits: Limits = Limits()

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(f"{value!r} is no name; write small letters, digits, - and _, 32 at most")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Entry:
        if bool(self.command) == bool(self.url):
            raise ValueError("write either command (with args) or url")
        if self.url and not self.url.startswith(("https://", "http://")):
            raise ValueError("url begins with https:// or http://")
        if self.headers and not self.url:
            raise ValueError("headers are for a server with a url; a command takes env")
        known = {*self.needs, *self.env}
        for text in (self.url, self.cwd, *self.args, *self.headers.values(), *self.values.values()):
            if unknown := next((each for each in VARIABLE.findall(text) if each not in known), None):
                raise ValueError(f"${{{unknown}}} is used; name {unknown} under needs or env too")
            if unknown := sorted(set(_PLACE.findall(VARIABLE.sub("", text))) - _PLACES):
                raise ValueError(
                    f"{{{unknown[0]}}} stands for nothing; there are {{roots}}, {{output}} and {{data}}"
                )
        return self

    @model_validator(mode="after")
    def _tools_there(self) -> Entry:
        """What a table calls is a tool that exists for us, with arguments that may be given."""
        calls: list[tuple[str, tuple[str, ...]]] = [
            (call["tool"], ()) for recipe in self.files.values() for call in recipe.calls
        ]
        if self.search:
            calls.append((self.search.tool, (self.search.query, *self.search.arguments)))
        if self.fetch:
            calls.append((self.fetch.tool, (self.fetch.url, *self.fetch.arguments)))
        for tool in (*self.arguments, *self.results, *(tool for tool, _ in calls)):
            if not any(fnmatchcase(tool, pattern) for pattern in self.tools):
                raise ValueError(f"{tool} is not among tools")
        for tool, given in calls:
            if unknown := [name for name in given if name not in self.arguments.get(tool, given)]:
                raise ValueError(f"{tool} is called with {unknown[0]}, which is not among its arguments")
        return self

    def narrowed(self, tool: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """The JSON Schema of a tool's arguments as an agent sees it: with those alone that it may give."""
        if tool not in self.arguments:
            return parameters
        given = self.arguments[tool]
        # What was pinned by an older version may be no schema at all.
        there, wanted = parameters.get("properties"), parameters.get("required")
        named = cast("dict[str, Any]", there) if isinstance(there, dict) else {}
        needed = cast("list[Any]", wanted) if isinstance(wanted, list) else []
        properties = {name: each for name, each in named.items() if name in given}
        required = [name for name in needed if name in given]
        seen = {"type": "object", "properties": properties, "required": required}
        used = {"$defs": parameters["$defs"]} if "$ref" in json.dumps(seen) and "$defs" in parameters else {}
        return {**seen, "additionalProperties": False, **used}

    def price(self, tool: str) -> float | None:
        """What one call of a tool costs in dollars; None where that is not known."""
        return next((usd for each, usd in self.cost_usd.items() if fnmatchcase(tool, each)), None)

    @property
    def identity(self) -> str:
        """What the server is, as a hash: another command, version, address or account is another server."""
        told: list[Any] = [self.command, self.args, self.url, self.transport, sorted(self.values.items())]
        if self.cwd or self.headers:
            # Only where there are some: what was pinned before they counted stays pinned.
            told += [self.cwd, sorted(self.headers.items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @property
    def local(self) -> bool:
        """Whether it is a program on this machine."""
        return bool(self.command)

    @property
    def shown_title(self) -> str:
        """What people call it."""
        return self.title or self.name


def load_entry(path: Path, below: Path | None = None) -> Entry:
    """Read an entry; one that says neither command nor url changes keys of the one `below` of its name.

    Raises:
        InvalidConfiguration: the file cannot be read, or a key is unknown or wrong; says which.
    """
    tables = _read(path)
    if below is not None and not tables.keys() & {"command", "url"}:
        tables = _merged(_read(below), tables)
    return checked_entry(path.stem, tables, str(path))


def checked_entry(name: str, tables: dict[str, Any], where: str) -> Entry:
    """An entry made of a file's tables; InvalidConfiguration names `where` and the key."""
    if "name" in tables:
        raise InvalidConfiguration(f"{where}: name: the file's own name is it.", remedy="Leave the key out.")
    try:
        return Entry.model_validate({"name": name, **tables})
    except ValidationError as error:
        # What is written wrong comes first: what is missing may be that.
        mistakes = sorted(error.errors(include_url=False), key=lambda each: each["type"] == "missing")
        said = " ".join(map(_in_words, mistakes))
        raise InvalidConfiguration(
            f"{where}: {said}", remedy="servers/README.md of ATLAS shows an entry with every key."
        ) from None


def _in_words(mistake: ErrorDetails) -> str:
    """What is wrong at a key, in a sentence, and which key may be meant."""
    place = [str(part) for part in mistake["loc"]]
    said = f"{in_words(mistake['msg'])}."
    if mistake["type"] == "extra_forbidden":
        *within, key = place
        near = nearest(key, (_TABLES[within[0]] if within else Entry).model_fields.keys() - {"name"})
        said = f"there is no such key{f'; did you mean {near}?' if near else '.'}"
    return f"{'.'.join(place)}: {said}" if place else said


_TABLES = {"fetch": Fetching, "files": Recipe, "limits": Limits, "results": Shape, "search": Searching}


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def _texts(value: Any) -> Iterator[str]:
    """Every text within tables and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        inner = (
            cast("dict[str, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)
        )
        for each in inner:
            yield from _texts(each)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InvalidConfiguration(
            f"{path} cannot be read: {error.strerror or error}.", remedy="Mend its permissions."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{path}: {error}.", remedy="Correct that line.") from None


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables laid over others, key by key; a list replaces a list."""
    merged = dict(below)
    for key, value in above.items():
        there = merged.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            merged[key] = _merged(cast("dict[str, Any]", there), cast("dict[str, Any]", value))
        else:
            merged[key] = value
    return merged
