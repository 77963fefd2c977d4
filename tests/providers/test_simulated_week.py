"""Strategies on a simulated week, shortened: the benchmark `python -m benchmarks week` in small.

What happens in a week happens in two days here, with few requests: the least favourable case for learning.
"""

from __future__ import annotations

from functools import cache
from statistics import fmean
from xml.etree import ElementTree as ET

import pytest

from benchmarks.regret_picture import picture
from benchmarks.simulated_week import Lived, hourly, live, regrets

SEEDS = (11, 12)


@cache
def lived(strategy: str, seed: int) -> Lived:
    return live(strategy, seed, days=2.0, a_day=400)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("other", ["failover", "round_robin", "random"])
def test_the_adaptive_strategy_regrets_much_less_than_those_that_learn_nothing(other: str, seed: int) -> None:
    assert sum(regrets(lived("adaptive", seed))) < 0.6 * sum(regrets(lived(other, seed)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_newcomer_of_whom_nothing_is_known_is_soon_found_to_be_good(seed: int) -> None:
    last = lived("adaptive", seed).requests[-100:]
    assert sum(request.by == "simulated:newcomer" for request in last) > 20


def test_whoever_is_told_what_matters_goes_by_it() -> None:
    saves, hurries = lived("adaptive, told to save", 11), lived("adaptive, told to hurry", 11)
    assert dollars(saves) < 0.2 * dollars(hurries)
    assert seconds(hurries) < 0.5 * seconds(saves)


def dollars(week: Lived) -> float:
    return fmean(request.dollars for request in week.requests)


def seconds(week: Lived) -> float:
    return fmean(request.seconds for request in week.requests)


def test_a_week_of_one_seed_is_the_same_whenever_it_is_lived() -> None:
    once, again = (live("adaptive", 3, days=0.5, a_day=200) for _ in range(2))
    assert once == again


def test_every_request_is_answered_by_somebody() -> None:
    assert all(request.answered for request in lived("adaptive", 11).requests)


def test_the_picture_names_every_strategy_and_stays_within_its_frame() -> None:
    names = ["failover", "round_robin", "adaptive"]
    curves = {name: [hourly(lived(name, seed)) for seed in SEEDS] for name in names}
    drawn = ET.fromstring(picture(curves))  # noqa: S314 - we wrote it
    tag = "{http://www.w3.org/2000/svg}"
    words = " ".join(text.text or "" for text in drawn.iter(f"{tag}text"))
    assert all(name.replace("_", " ") in words for name in names)
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    lines = [*drawn.iter(f"{tag}polyline"), *drawn.iter(f"{tag}polygon")]
    assert len(lines) == 2 * len(names)
    for line in lines:
        points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert len(points) > 40
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
