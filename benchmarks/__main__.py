"""What ATLAS costs, side by side with the plainest thing that does the same, in one run. `make bench`."""

from __future__ import annotations

import os
import sys

from benchmarks import downstream, learning_gate, providers, simulated_week, storm, support, teams, telling
from benchmarks.start_up import start_up


def main() -> None:
    """Measure, then print what was measured and the ratios that are aimed at."""
    with_options = {
        "providers": providers.main, "teams": teams.main, "learning": learning_gate.main,
        "downstream": downstream.main, "telling": telling.main,
    }  # fmt: skip
    if alone := with_options.get("".join(sys.argv[1:2])):
        alone(sys.argv[2:])
        return
    sys.stdout.write(
        f"On {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.\n\n" if hasattr(os, "getloadavg") else ""
    )
    wished = sys.argv[1:] or ["start", "teams", "providers"]
    if "start" in wished:
        start_up()
    if "teams" in wished:
        teams.main()
    if "providers" in wished:
        providers.main()
    if "week" in wished:
        simulated_week.week()
    if "storm" in wished:
        storm.main()
    if "support" in wished:
        support.main()


if __name__ == "__main__":
    main()
