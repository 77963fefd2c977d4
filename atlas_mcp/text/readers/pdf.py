"""PDF: the text of its pages, parted by form feeds. A scan holds no text and is refused as such."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import accumulate
from pathlib import PurePath

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError

from atlas_mcp.errors import UnreadableDocument
from atlas_mcp.text.readers.document import Document

__all__ = ["read_pdf"]

# What pypdf lets through on damaged files, besides its own errors.
DAMAGE = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_pdf(data: bytes, name: str) -> Document:
    """The text of all pages, in order.

    :raises UnreadableDocument: it is damaged, needs a password, or holds pictures alone.
    """
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _locked(name)
        pages = [_clean(page.extract_text()) for page in reader.pages]
        title = str((reader.metadata and reader.metadata.title) or "").strip()
    except DependencyError:
        raise _locked(name) from None
    except DAMAGE as error:
        raise UnreadableDocument(
            f"{name} is a damaged PDF: {error or type(error).__name__}.",
            remedy="Open it in a PDF program and save it anew.",
        ) from error
    text = "\f".join(pages)
    if not text.strip():
        raise UnreadableDocument(
            f"{name} holds no text on its {len(pages)} pages; it is probably a scan.",
            remedy="Run text recognition (OCR) over it first.",
        )
    starts = tuple(accumulate((len(page) + 1 for page in pages[:-1]), initial=0))
    return Document(text, title or PurePath(name).stem, "application/pdf", starts)


def _clean(page: str) -> str:
    """A page without what would be taken for a page break, or breaks storage."""
    return page.replace("\f", "\n").replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()


def _locked(name: str) -> UnreadableDocument:
    return UnreadableDocument(
        f"{name} needs a password.", remedy="Save a copy without a password and give that."
    )
