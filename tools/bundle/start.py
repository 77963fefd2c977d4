"""What a desktop app starts of the bundle: ATLAS over stdio, with what a person filled in.

Folders come as arguments, since an app puts a list into arguments alone; all else comes in the environment.
What was left empty arrives as the very text `${user_config.…}`, and is taken out.
"""

from __future__ import annotations

import json
import os
import re
import sys

_UNFILLED = re.compile(r"\s*(\$\{user_config\.[^}]*\}\s*)?")


def filled(values: dict[str, str]) -> dict[str, str]:
    """Those that say anything."""
    return {name: value for name, value in values.items() if not _UNFILLED.fullmatch(value)}


def main() -> None:
    """Make the environment what ATLAS reads, and serve."""
    folders = [each for each in sys.argv[1:] if not _UNFILLED.fullmatch(each)]
    environment = filled(dict(os.environ))
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    if folders:
        os.environ["ATLAS_ROOTS__READ"] = json.dumps(folders)
    sys.argv = ["atlas-mcp", "serve"]
    from atlas_mcp.__main__ import main as atlas

    atlas()


if __name__ == "__main__":
    main()
