"""`atlas-mcp setup`: what is fetched once, and only when a person asks for it."""

from __future__ import annotations

import typer

from atlas_mcp.cli.terminal import Exit, perform, stderr, stdout
from atlas_mcp.observe.sentences import counted

__all__ = ["setup"]

setup = typer.Typer(help="Fetch what is optional.", no_args_is_help=True)


@setup.callback()
def _group() -> None:
    """Fetch what is optional."""


@setup.command("embeddings")
def setup_embeddings() -> None:
    """Fetch the weights of the local embedding model (80 MB): search then knows meaning, not words alone.

    What was taken in before is embedded too; interrupted, it goes on where it was the next time.
    """
    perform(_embeddings())


async def _embeddings() -> Exit:
    from atlas_mcp.memory.memory import open_memory
    from atlas_mcp.settings import Settings
    from atlas_mcp.text.embedding import find_embedder, install_weights

    settings = Settings.load()
    with stderr().status("fetching the weights of all-MiniLM-L6-v2") as status:
        path = await install_weights(settings.home)
        async with open_memory(settings.home, find_embedder(settings.home)) as memory:
            count = await memory.embed_again(on_progress=lambda progress: status.update(str(progress)))
    told = f"; embedded {counted(count, 'text')} of what is kept" if count else ""
    stdout().print(f"Embeddings are ready: {path}{told}", soft_wrap=True)
    return Exit.DONE
