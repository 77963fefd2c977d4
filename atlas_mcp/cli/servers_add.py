"""`atlas-mcp servers add`: a server by its command, by its address, or pasted from another program's file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from atlas_mcp.cli.servers_opening import origin, server_file
from atlas_mcp.cli.terminal import give_json, leaving, stderr, stdout
from atlas_mcp.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.downstream.pasted import Pasted
    from atlas_mcp.errors import NotConfigured
    from atlas_mcp.settings import Settings

__all__ = ["Adding", "add_server"]

WALK = "From a new server to a run"
"""The section of the handbook that tells how a team gets a server."""
_WAYS = """\
Three ways: atlas-mcp servers add NAME -- npx -y package@1.2.3
            atlas-mcp servers add NAME --url https://…
            atlas-mcp servers add --file mcp.json, or its text on stdin or in quotation marks."""


class Adding(TyperCommand):
    """`add` as it is typed: where a program's own options stand without a `--`, it says where that goes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the words apart."""
        own = {option for each in self.params for option in (*each.opts, *each.secondary_opts)}
        own.update(ctx.help_option_names)
        options = [each.partition("=")[0] for each in args if each.startswith("-")]
        spoken = [each for each in args[:2] if not each.startswith(("-", "{"))]
        if len(spoken) > 1 and "--" not in args and not own.issuperset(options):
            name, program = spoken
            with leaving():
                # What follows may hold a secret, so it is not repeated.
                raise InvalidInput(
                    f"The options of {program} must come after --; before it they are taken for ours.",
                    remedy=f"Put -- before the command: atlas-mcp servers add {name} -- {program} …",
                )
        return super().parse_args(ctx, args)


def add_server(  # noqa: PLR0917 - each is an option that a person names
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME] [-- COMMAND…|JSON]", help="What it is called; then how it is started."
        ),
    ] = None,
    command: Annotated[str | None, typer.Option(help="The program that it is.")] = None,
    args: Annotated[
        list[str] | None, typer.Option("--arg", metavar="TEXT", help="An argument of it; may be repeated.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Its address, for one that runs elsewhere.")] = None,
    transport: Annotated[str, typer.Option(help="How it is asked there: http or sse.")] = "http",
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A header to send there; may be repeated."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", "-e", metavar="NAME[=VALUE]", help="A variable that it is given; may be repeated."
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    description: Annotated[str, typer.Option(help="What it is for, in a sentence.")] = "",
    file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="A file of Claude Desktop, Cursor, VS Code, Codex, or of ATLAS."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write it though there is one of that name.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add a server: by its command, by its address, or as other programs write it (mcpServers).

    No secret is stored: a variable takes its place, and you are told which one to set. Where several are
    pasted, either all are added or none.
    """
    with leaving():
        given: dict[str, Any] = {"title": title, "description": description}
        if command or url:
            given |= {"command": command, "url": url, "args": args or [], "transport": transport}
        given |= {"headers": _pairs("--header", header), "env": _pairs("--env", env)}
        _add(_taken(words or [], given, file), force=force, as_json=as_json)


def _taken(words: Sequence[str], given: Mapping[str, Any], file: str | None) -> list[Pasted]:
    """The servers that a command line describes, however it does."""
    from atlas_mcp.downstream.pasted import read_pasted, take_over

    name, rest = (words[0], list(words[1:])) if words and not _is_block(words[0]) else ("", list(words))
    by_option = bool(given.get("command") or given.get("url"))
    blocks = [each for each in rest if _is_block(each)]
    if by_option + bool(rest) + (file is not None) > 1 or (blocks and len(rest) > 1):
        raise InvalidInput("How it is started is said more than once.", remedy=_WAYS)
    if by_option or (rest and not blocks):
        if not name:
            raise InvalidInput("It has no name.", remedy=_WAYS)
        started = given if by_option else {**given, "command": rest[0], "args": rest[1:]}
        return [take_over(name, {key: value for key, value in started.items() if value})]
    if given["headers"] or given["env"]:
        raise InvalidInput("--header and --env are for a server by command or address.", remedy=_WAYS)
    return read_pasted(_block(file, blocks), name, file=Path(file).stem if file else "")


def _is_block(word: str) -> bool:
    return word.lstrip().startswith(("{", '"', "[mcp"))


def _block(file: str | None, blocks: Sequence[str]) -> str:
    if file is not None:
        try:
            return Path(file).expanduser().read_text("utf-8-sig")
        except FileNotFoundError:
            raise InvalidInput(f"There is no file {file}.", remedy="Name one that is there.") from None
        except OSError as error:
            said = f"{file} cannot be read: {error.strerror or error}."
            raise InvalidInput(said, remedy="Name another file.") from None
        except UnicodeDecodeError:
            raise InvalidInput(f"{file} is no text in UTF-8.", remedy="Name another file.") from None
    if blocks:
        return blocks[0]
    if sys.stdin.isatty():
        stderr().print("Paste the block, then an empty line and Ctrl-D (Ctrl-Z on Windows).", soft_wrap=True)
    text = sys.stdin.read()
    if not text.strip():
        raise InvalidInput("There is nothing to add.", remedy=_WAYS)
    return text


def _pairs(option: str, given: Sequence[str] | None) -> dict[str, str]:
    """Names with values; a variable without a value is passed on as it is."""
    pairs: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if option == "--header" and not equals:
            name, equals, value = (part.strip() for part in each.partition(":"))
        if not name or (option == "--header" and not equals):
            # What stands there may be the secret itself, so it is not repeated.
            raise InvalidInput(f"{option} has no name.", remedy=f"Write {option} NAME=VALUE.")
        pairs[name] = value
    return pairs


def _add(taken: Sequence[Pasted], *, force: bool, as_json: bool) -> None:
    from atlas_mcp.downstream.launch import no_program
    from atlas_mcp.downstream.own import as_toml, keep, own_file
    from atlas_mcp.settings import Settings

    settings = Settings.load()
    _must_be_free(settings, [each.entry.name for each in taken], force=force)
    files = {each.entry.name: own_file(settings.config, each.entry.name) for each in taken}
    texts = {files[each.entry.name]: as_toml(each.entry) for each in taken}
    copies = {name: _kept(file, texts[file]) for name, file in files.items()}
    keep(texts)
    unset = {
        each.entry.name: [name for name in each.entry.needs if not os.environ.get(name)] for each in taken
    }
    lacking = {each.entry.name: no_program(each.entry) for each in taken}
    if as_json:
        give_json(
            [
                {
                    "name": each.entry.name, "file": str(files[each.entry.name]),
                    "needs": list(each.entry.needs), "unset": unset[each.entry.name],
                    "told": [*each.told, *(error.message for error in (lacking[each.entry.name],) if error)],
                    "copy": str(copies[each.entry.name] or "") or None,
                }
                for each in taken
            ]
        )  # fmt: skip
        return
    for each in taken:
        name = each.entry.name
        _tell(each, files[name], unset[name], copies[name])
        _tell_next(name, lacking[name], enabled=each.entry.enabled)


def _kept(file: Path, text: str) -> Path | None:
    """A copy of what stands in a file and is not what shall stand there; None where none was made."""
    from atlas_mcp.install.file import keep_copy, read

    there = read(file)
    return None if there.text in {None, text} else keep_copy(there)


def _must_be_free(settings: Settings, names: Sequence[str], *, force: bool) -> None:
    """Whether all names may be taken.

    Raises:
        InvalidInput: there is a server of one of them.
    """
    for name in names:
        file = server_file(settings, name)
        if file is None:
            continue
        whose = origin(settings, file)
        if whose == "the project's":
            raise InvalidInput(
                f"The project has a server {name}, which would come before yours: {file}.",
                remedy=f"Choose another name: atlas-mcp servers add OTHER … instead of {name}.",
            )
        if not force:
            there = "which shipped" if whose == "shipped" else f"in {file}"
            remedy = "Choose another name, or add --force to lay yours over it."
            if whose == "shipped":
                remedy = f"{remedy} To turn the shipped one on: atlas-mcp servers enable {name}"
            raise InvalidInput(
                f"There is a server {name} already, {there}; nothing was written.", remedy=remedy
            )


def _tell(each: Pasted, file: Path, unset: Sequence[str], copy: Path | None) -> None:
    from rich.text import Text

    from atlas_mcp.cli.hidden import marked

    name = each.entry.name
    stdout().print(Text.assemble(("✓ ", "green"), (name, "bold"), f"  {file}"), soft_wrap=True)
    if copy:
        said = f"  What was there is kept in {copy}"
        stdout().print(said, style="dim", markup=False, soft_wrap=True)
    for said in each.told:
        stderr().print(marked(f"  {said}"), soft_wrap=True)
    # Those that were pasted by name and not by value, and are not set.
    if rest := [need for need in unset if not any(f"set {need} " in said for said in each.told)]:
        stderr().print(
            f"  Set {' and '.join(rest)} in the environment that ATLAS is started in.", soft_wrap=True
        )


def _tell_next(name: str, lacking: NotConfigured | None, *, enabled: bool) -> None:
    """What to type once a server is added, and what is amiss with how it is started."""
    from atlas_mcp.catalogue import shipped

    if lacking:
        stderr().print(f"! {lacking.message}", style="yellow", soft_wrap=True, markup=False)
        stderr().print(f"  {lacking.remedy}", soft_wrap=True, markup=False)
    grants = f'tools: ["{name}/*"] for what only reads, and writes: ["{name}/*"] for what has effects'
    for said in (
        f"  Next: atlas-mcp servers {'test' if enabled else 'enable'} {name}",
        f"  Then, on the card of an agent: {grants}.",
        f'  For a team that shipped, see "{WALK}" in {shipped("handbook") / "12-servers.md"}',
    ):
        stderr().print(said, soft_wrap=True, markup=False)
