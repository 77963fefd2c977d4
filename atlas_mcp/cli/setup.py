"""`atlas-mcp setup`: what is fetched once, and only when a person asks for it."""

from __future__ import annotations

from contextlib import AsyncExitStack

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

    What was taken in before is embedded too; interrupted, it goes on where it was the next time. Where the
    setting memory.embeddings names a provider's model, nothing is fetched, and that model embeds.
    """
    perform(_embeddings())


async def _embeddings() -> Exit:
    from atlas_mcp.memory.memory import open_memory
    from atlas_mcp.providers.embedding import embedder_alone
    from atlas_mcp.settings import Settings
    from atlas_mcp.text.embedding import find_embedder, install_weights

    settings = Settings.load()
    async with AsyncExitStack() as stack:
        status = stack.enter_context(stderr().status("opening what is kept"))
        if isinstance(settings.memory.embeddings, str):
            embedder = await stack.enter_async_context(embedder_alone(settings))
            ready = settings.memory.embeddings
            if embedder is not None:
                # Before the vectors that are there stop counting.
                await embedder.embed(["word"])
        else:
            status.update("fetching the weights of all-MiniLM-L6-v2")
            ready = str(await install_weights(settings.home))
            embedder = find_embedder(settings.home)
        memory = await stack.enter_async_context(open_memory(settings.home, embedder))
        count = await memory.embed_again(on_progress=lambda progress: status.update(str(progress)))
    told = f"; embedded {counted(count, 'text')} of what is kept" if count else ""
    stdout().print(f"Embeddings are ready: {ready}{told}", soft_wrap=True)
    return Exit.DONE
