"""Checks a brief from outside: `atlas-mcp run research "…" --json | python tests/check_brief.py`.

Shares no code with what made the brief. It looks for each quote in the source file itself and in the stored
snapshot, at its location; and it looks whether every claim and every sentence of the answer cites findings
that are there. Prints what it found and leaves with 0, or with 1 and what is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["main", "problems_of"]

AS_THEY_ARE = {".md", ".txt", ".rst", ".markdown"}
"""Files whose text is their content; of others (HTML, PDF) only the snapshot can be compared."""


def folded(text: str) -> str:
    """What two texts are compared by: NFC, white space folded, nothing else."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def problems_of(envelope: dict[str, Any], snapshots: Path, least: int) -> list[str]:
    """Everything that is wrong with a brief."""
    brief = envelope["output"]
    if brief is None:
        return [f"the run is {envelope['state']} and has no brief"]
    sources = {source["id"]: source for source in brief["sources"]}
    known = {finding["id"] for finding in brief["findings"]}
    problems = [
        problem
        for finding in brief["findings"]
        for problem in quote_problems(finding, sources[finding["source_id"]], snapshots)
    ]
    problems += [
        f"claim cites {claim['finding_ids']}: {claim['text'][:80]!r}"
        for claim in brief["claims"]
        if not claim["finding_ids"] or not known.issuperset(claim["finding_ids"])
    ]
    if len(brief["claims"]) < least:
        problems.append(f"{len(brief['claims'])} claims, fewer than {least}")
    markers: list[str] = re.findall(r"\[(f[\d, f]+)\]", brief["answer"])
    cited = {name for marker in markers for name in re.split(r", *", marker)}
    if not cited or not known.issuperset(cited):
        problems.append(f"the answer cites {sorted(cited) or 'nothing'}")
    return problems


def quote_problems(finding: dict[str, Any], source: dict[str, Any], snapshots: Path) -> list[str]:
    """Where a finding's quote does not stand and should."""
    name, quote = finding["id"], folded(finding["quote"])
    data = (snapshots / source["sha256"]).read_bytes()
    text = data.decode()
    place = finding["location"]
    problems: list[str] = []
    if hashlib.sha256(data).hexdigest() != source["sha256"]:
        problems.append(f"{name}: the snapshot is not what its name says")
    if folded(text[place["start"] : place["end"]]) != quote:
        problems.append(f"{name}: not at its location in the snapshot")
    parts = urlsplit(str(source["uri"]))
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
        if path.suffix.lower() in AS_THEY_ARE and quote not in folded(path.read_text("utf-8-sig")):
            problems.append(f"{name}: not in {path}")
    return problems


def main(arguments: list[str] | None = None) -> int:
    """Check the brief of the given file, or of stdin."""
    parser = argparse.ArgumentParser(description="Checks that quotes are verbatim and claims cited.")
    parser.add_argument("brief", nargs="?", type=Path, help="what `run --json` printed; stdin if left out")
    parser.add_argument("--home", type=Path, required=True, help="the data folder that holds sources/")
    parser.add_argument("--least", type=int, default=5, help="claims that there must be")
    given = parser.parse_args(arguments)
    envelope = json.loads(given.brief.read_text("utf-8") if given.brief else sys.stdin.read())
    problems = problems_of(envelope, given.home / "sources", given.least)
    for problem in problems:
        print("✗", problem)
    if not problems:
        brief = envelope["output"]
        print(f"✓ {len(brief['claims'])} claims, {len(brief['findings'])} findings, every quote verbatim")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
