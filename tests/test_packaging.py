"""What people install: exactly what git tracks, and it works where there is no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = {
    "atlas_mcp": "atlas_mcp",
    "teams": "atlas_mcp/shipped/teams",
    "servers": "atlas_mcp/shipped/servers",
    "clients": "atlas_mcp/shipped/clients",
    "docs/handbook": "atlas_mcp/shipped/handbook",
}
"""Folders that ship, and where they lie in the wheel."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "these tests need uv; `make test` installs it"
    return found


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Every file that git tracks, or would with the next `git add`."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, tracked: list[str], uv: str) -> Path:
    """The wheel made from the source distribution of a checkout in which ignored files lie about."""
    checkout, made = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("dist")
    for name in tracked:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, checkout / name)
    for folder in SHIPPED:
        (checkout / folder / ".env").write_text("SECRET=1\n", "utf-8")
        (checkout / folder / "__pycache__").mkdir(exist_ok=True)
        (checkout / folder / "__pycache__" / "left.pyc").write_bytes(b"")
    constraints = ROOT / "requirements" / "build.lock"
    run(uv, "build", "--quiet", "--build-constraints", constraints, "--out-dir", made, checkout, cwd=checkout)
    return next(made.glob("*.whl"))


def test_the_wheel_holds_exactly_what_git_tracks(wheel: Path, tracked: list[str]) -> None:
    expected = {
        inside + name.removeprefix(folder)
        for folder, inside in SHIPPED.items()
        for name in tracked
        if name.startswith(f"{folder}/")
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected


def test_the_wheel_brings_its_licence(wheel: Path) -> None:
    licences = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


def test_an_installed_wheel_answers_from_its_own_handbook(
    wheel: Path, uv: str, home: Path, tmp_path: Path
) -> None:
    venv, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    scripts = venv / ("Scripts" if os.name == "nt" else "bin")
    lock = ROOT / "requirements" / "run.lock"
    run(uv, "venv", "--quiet", "--python", sys.executable, venv, cwd=elsewhere)
    install = (uv, "pip", "install", "--quiet", "--python", scripts / "python")
    run(*install, "--require-hashes", "--requirements", lock, cwd=elsewhere)
    run(*install, "--no-deps", wheel, cwd=elsewhere)

    question = "How does ATLAS verify the quotes of a brief?"
    outside = {"ATLAS_HOME": str(home), "PYTHONPATH": ""}
    told = run(scripts / "atlas-mcp", "run", "research", question, "--json", cwd=elsewhere, **outside)

    brief = tmp_path / "brief.json"
    brief.write_text(told, "utf-8")
    run(
        sys.executable,
        ROOT / "tests" / "check_brief.py",
        brief,
        "--home",
        home,
        "--least",
        "3",
        cwd=elsewhere,
    )
    assert all(str(venv.as_uri()) in source["uri"] for source in json.loads(told)["output"]["sources"])
