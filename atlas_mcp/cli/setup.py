"""`atlas-mcp setup`: what is fetched once, and only when a person asks for it."""

from __future__ import annotations

import typer

from atlas_mcp.cli.terminal import Exit, perform, stderr, stdout

__all__ = ["setup"]

setup = typer.Typer(help="Fetch what is optional.", no_args_is_help=True)


@setup.callback()
def _group() -> None:
    """Fetch what is optional."""


@setup.command("embeddings")
def setup_embeddings() -> None:
    """Fetch the weights of the local embedding model (80 MB): search then knows meaning, not words alone."""
    perform(_embeddings())


async def _embeddings() -> Exit:
    from atlas_mcp.settings import Settings
    from atlas_mcp.text.weights import install_weights

    settings = Settings.load()
    with stderr().status("fetching the weights of all-MiniLM-L6-v2"):
        path = await install_weights(settings.home)
    stdout().print(f"Embeddings are ready: {path}", soft_wrap=True)
    return Exit.DONE
