"""The tree of errors: drawn as it is, and each leaf says itself in words and in JSON."""

from __future__ import annotations

import json
import pickle
import re

import pytest

from atlas_mcp import errors
from atlas_mcp.errors import AtlasError, InvalidOutput, OutsideRoots, ProviderError, RateLimited


def everything(kind: type[AtlasError] = AtlasError) -> list[type[AtlasError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in everything(child))]


def test_the_docstring_draws_every_error_there_is_and_no_other() -> None:
    drawing = (errors.__doc__ or "").split("```")[1]
    drawn = re.findall(r"(?:── |^)([A-Z]\w+)", drawing.replace("text\n", "", 1), re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in everything())


def test_every_error_is_public() -> None:
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in everything())


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in everything()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", everything())
def test_an_error_says_what_was_wrong_and_what_to_do_in_words_and_in_json(kind: type[AtlasError]) -> None:
    error = kind("The tide is out.", remedy="Wait six hours.")
    assert str(error) == "The tide is out. Wait six hours."
    told = json.loads(json.dumps(error.to_dict()))
    assert told["code"] == kind.code
    assert (told["message"], told["remedy"]) == ("The tide is out.", "Wait six hours.")


@pytest.mark.parametrize("kind", everything())
def test_an_error_survives_the_way_to_another_process(kind: type[AtlasError]) -> None:
    error = kind("The tide is out.", remedy="Wait six hours.")
    assert pickle.loads(pickle.dumps(error)).to_dict() == error.to_dict()  # noqa: S301 - our own bytes


def test_a_remedy_may_be_left_out() -> None:
    assert str(OutsideRoots("No.")) == "No."


def test_a_provider_error_tells_who_failed_and_whether_to_try_again() -> None:
    error = RateLimited("Slow down.", provider="openai", model="m", status=429, retry_after=2.0)
    told = error.to_dict()
    assert (told["provider"], told["status"], told["retry_after"], told["retryable"]) == (
        "openai",
        429,
        2.0,
        True,
    )


def test_an_invalid_output_names_every_problem() -> None:
    assert InvalidOutput("No.", problems=("$.a: missing", "$.b: wrong")).to_dict()["problems"] == [
        "$.a: missing",
        "$.b: wrong",
    ]


def test_what_may_be_retried_with_the_same_member_is_never_the_callers_own_mistake() -> None:
    mistakes = {"authentication", "permission_denied", "model_not_found", "invalid_request", "cancelled"}
    retryable = {
        kind.code for kind in everything(ProviderError) if issubclass(kind, ProviderError) and kind.retryable
    }
    assert not mistakes & retryable
