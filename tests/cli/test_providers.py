"""`atlas-mcp providers`: who is configured, whether they answer, and what is wrong with the others."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_mcp.app import open_atlas
from atlas_mcp.chunks import Usage
from atlas_mcp.cli.terminal import Exit
from atlas_mcp.messages import TaskType
from atlas_mcp.providers.known.reliability import Outcome

if TYPE_CHECKING:
    from collections.abc import Generator

    from conftest import Program

SERVER = Path(__file__).parents[1] / "fakes" / "model_server.py"


@pytest.fixture
def url() -> Generator[str]:
    """A server of models in a process of its own."""
    command = [sys.executable, str(SERVER), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().split()[-1]}/v1"
        finally:
            process.terminate()


@pytest.fixture
def settings(home: Path, url: str) -> Path:
    """A group of two at servers of one's own, one of which is dead, and a third that nobody uses."""
    file = home / "config" / "atlas.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"""
        [provider.lab]
        base_url = "{url}"
        [provider.dead]
        base_url = "http://127.0.0.1:9/v1"
        [provider.spare]
        base_url = "{url}"
        [group.loop]
        members = ["dead:m", "lab:fake-model"]
        strategy = "adaptive"
        """,
        "utf-8",
    )
    return file


def shown(atlas_mcp: Program, *options: str) -> tuple[int, dict[str, Any]]:
    done = atlas_mcp("providers", "--json", *options)
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.usefixtures("settings")
def test_each_provider_of_the_settings_is_listed_even_if_nobody_asks_it_yet(atlas_mcp: Program) -> None:
    code, told = shown(atlas_mcp)
    assert code == Exit.DONE
    assert {"dead:m", "lab:fake-model"} < {one["name"] for one in told["providers"]}
    assert any(one["name"].startswith("spare") for one in told["providers"])
    (group,) = told["groups"]
    assert (group["name"], group["strategy"]) == ("group:loop", "adaptive")


@pytest.mark.usefixtures("settings")
def test_a_ping_says_who_answers_and_what_to_do_about_the_others(atlas_mcp: Program) -> None:
    code, told = shown(atlas_mcp, "--ping")
    assert code == Exit.FAILED
    health = {one["name"]: one["health"] for one in told["providers"]}
    assert health["lab:fake-model"]["answers"]
    assert not health["dead:m"]["answers"]
    assert health["dead:m"]["remedy"]


@pytest.mark.usefixtures("settings")
def test_names_are_shown_as_they_are_written(atlas_mcp: Program) -> None:
    done = atlas_mcp("providers")
    assert "group:loop" in done.stdout
    assert "  dead:m  free" in done.stdout


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_no_name_or_address_is_cut_on_a_narrow_terminal(
    atlas_mcp: Program, settings: Path, url: str, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    known = settings.read_text("utf-8").replace('"dead:m"', '"dead:a-model-of-a-long-name-2026-01-01"')
    settings.write_text(known, "utf-8")
    for name, value in {"COLUMNS": columns, "ATLAS_MODELS__DEFAULT": "extractive"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    shown = atlas_mcp("providers").stdout.splitlines()
    names = [line.split()[0] for line in shown if line.strip()]
    assert {"extractive:sentences", "dead:a-model-of-a-long-name-2026-01-01", "lab:fake-model"} <= set(names)
    assert f"  {url}" in shown
    assert any("No language model wrote this" in line for line in shown)


@pytest.mark.usefixtures("settings")
async def test_all_that_is_kept_of_a_provider_can_be_read_task_by_task(atlas_mcp: Program) -> None:
    async with open_atlas() as atlas:
        reliability, name = atlas.accounts.circumstances.reliability, "lab:fake-model"
        reliability.heard(name, TaskType.WRITING, 0.4)
        for _ in range(3):
            reliability.observe(name, TaskType.WRITING, Outcome("", 3.0, 50.0, 0.001, 300))
        reliability.paced(name, TaskType.WRITING, 50.0)
        reliability.rate(name, TaskType.WRITING, 4.5)
        reliability.observe(name, TaskType.ANALYSIS, Outcome("overloaded", 2.0))
    shown = (await asyncio.to_thread(atlas_mcp, "providers", "show", name)).stdout
    writing = shown.partition("\nwriting")[2].partition("\nanalysis")[0]
    for says in (
        "answered of 3.0 tries", "whole answer after", "one in twenty after", "first token after",
        "300 tokens, $0.0010", "tokens/s", "quality 4.5 of 5, from 1.0 ratings",
    ):  # fmt: skip
        assert says in writing
    assert "failed: overloaded 1.0; after 2.0 s each" in shown.partition("\nanalysis")[2]
    assert "counts half after a day" in shown
    told = json.loads((await asyncio.to_thread(atlas_mcp, "providers", "show", name, "--json")).stdout)
    assert told["records"]["analysis"]["failures"] == {"overloaded": pytest.approx(1, abs=0.01)}
    assert "not used yet" in (await asyncio.to_thread(atlas_mcp, "providers", "show", "dead:m")).stdout


@pytest.mark.usefixtures("settings")
def test_a_provider_that_nobody_configured_is_told_with_those_that_are(atlas_mcp: Program) -> None:
    done = atlas_mcp("providers", "show", "lab:other")
    assert done.exit_code == Exit.USAGE
    assert "lab:fake-model" in done.stderr


async def test_each_figure_of_today_has_its_limit_behind_it(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(usage: Usage) -> str:
        async with open_atlas() as atlas:
            atlas.accounts.day.budget.add(usage)
        shown = await asyncio.to_thread(atlas_mcp, "providers")
        return next(line for line in shown.stdout.splitlines() if line.startswith("Today"))

    monkeypatch.setenv("ATLAS_BUDGET__DAY_TOKENS", "20_000")
    monkeypatch.setenv("ATLAS_BUDGET__DAY_USD", "5")
    priced = "Today: 60,000 of 20,000 tokens, $0.5000 of $5.00"
    assert await told(Usage(60_000, cost_usd=0.5, calls=1)) == priced
    unpriced = "Today: 60,563 of 20,000 tokens, price unknown (of $5.00)"
    assert await told(Usage(563, cost_usd=None, calls=1)) == unpriced


def test_a_group_that_cannot_be_opened_is_told_with_its_remedy(atlas_mcp: Program, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "atlas.toml").write_text('[group.g]\nmembers = ["opneai:m"]\n', "utf-8")
    code, told = shown(atlas_mcp)
    assert code == Exit.FAILED
    (broken,) = told["broken"]
    assert broken["name"] == "group:g"
    assert "openai" in broken["error"]["remedy"]


@pytest.mark.usefixtures("settings")
def test_the_doctor_passes_on_what_to_do_about_a_server_that_is_down(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "dead:m")
    (check,) = (
        c for c in json.loads(atlas_mcp("doctor", "--json").stdout)["checks"] if c["name"] == "Provider"
    )
    assert check["health"] == "broken"
    assert "base URL" in check["todo"]


def diagnosed(atlas_mcp: Program, name: str) -> list[tuple[str, str, str]]:
    checks = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
    return [(each["health"], each["says"], each["todo"]) for each in checks if each["name"] == name]


@pytest.mark.usefixtures("settings")
def test_the_doctor_has_a_line_for_each_member_of_the_group_that_does_not_answer(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "group:loop")
    ((health, says, _),) = diagnosed(atlas_mcp, "Provider")
    assert (health, "1 of 2 members answer" in says) == ("ok", True)
    ((health, says, todo),) = diagnosed(atlas_mcp, "Member")
    assert (health, says.partition(" ")[0]) == ("hint", "dead:m")
    assert "base URL" in todo


def test_the_doctor_finds_a_group_broken_that_nobody_asks_by_default(atlas_mcp: Program, home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "atlas.toml").write_text('[group.g]\nmembers = ["opneai:m"]\n', "utf-8")
    ((health, says, todo),) = diagnosed(atlas_mcp, "Group")
    assert (health, says.startswith("group:g: ")) == ("broken", True)
    assert "openai" in todo


@pytest.mark.parametrize(("taken", "health"), [(100, ""), (17_000, "hint"), (60_563, "broken")])
async def test_the_doctor_says_when_little_or_nothing_is_left_of_the_day(
    atlas_mcp: Program, home: Path, monkeypatch: pytest.MonkeyPatch, taken: int, health: str
) -> None:
    monkeypatch.setenv("ATLAS_BUDGET__DAY_TOKENS", "20_000")
    async with open_atlas() as atlas:
        atlas.accounts.day.budget.add(Usage(taken, calls=1))
    found = await asyncio.to_thread(diagnosed, atlas_mcp, "Budget")
    assert [each for each, _, _ in found] == ([health] if health else [])
    for _, says, todo in found:
        assert f"{taken:,} of 20,000 tokens a day are taken" in says
        assert "day_tokens under [budget]" in todo


@pytest.mark.usefixtures("settings")
def test_a_limit_in_dollars_that_cannot_bind_is_pointed_out(
    atlas_mcp: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hints() -> list[str]:
        checks = json.loads(atlas_mcp("doctor", "--json").stdout)["checks"]
        return [each["says"] for each in checks if each["name"] == "Budget"]

    monkeypatch.setenv("ATLAS_MODELS__DEFAULT", "lab:fake-model")
    assert hints() == []
    monkeypatch.setenv("ATLAS_BUDGET__DAY_USD", "5")
    assert hints() == ["[budget] day_usd does not bind for lab:fake-model, whose price nobody knows"]
    done = atlas_mcp("providers", "serve", "--budget-usd", "2", "--", sys.executable, "-c", "pass")
    assert "--budget-usd does not bind for lab:fake-model" in done.stderr
