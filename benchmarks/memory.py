"""How much memory this process had at most."""

from __future__ import annotations

import sys

__all__ = ["megabytes"]


def megabytes() -> int:
    """The most that was resident, in MB."""
    try:
        # Unlike the figure of `resource`, this does not begin with that of whoever started the process.
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib takes memory itself
            return round(int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024)
    except FileNotFoundError:
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(most / (1024 * 1024 if sys.platform == "darwin" else 1024))
