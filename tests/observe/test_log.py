from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest

from atlas_mcp.observe import log
from atlas_mcp.observe.log import log_file, write_logs

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(autouse=True)
def loggers() -> Generator[None]:
    """The root logger as it was before."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    yield
    for handler in [*root.handlers]:
        root.removeHandler(handler)
        if handler not in handlers:
            handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_no_secret_is_logged_not_even_in_a_traceback(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_logs(home)
    try:
        raise ValueError("Bearer abcdefghijklmnopqrstuvwxyz")  # noqa: TRY301
    except ValueError:
        logging.getLogger("atlas_mcp.x").exception("at http://me:password@host/v1")
    for told in (log_file(home).read_text("utf-8"), capfd.readouterr().err):
        assert "ValueError: Bearer [secret]" in told
        assert "http://[secret]@host/v1" in told


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_logs_are_their_users_alone(home: Path) -> None:
    write_logs(home)
    assert [path.stat().st_mode & 0o777 for path in (home, log_file(home).parent)] == [0o700, 0o700]


def test_what_is_logged_goes_to_the_file_and_warnings_to_stderr_but_nothing_to_stdout(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_logs(home)
    logging.getLogger("atlas_mcp.x").info("quiet")
    logging.getLogger("atlas_mcp.x").warning("loud")
    told = log_file(home).read_text("utf-8")
    assert "INFO atlas_mcp.x: quiet" in told
    assert "WARNING atlas_mcp.x: loud" in told
    out, err = capfd.readouterr()
    assert (out, "quiet" in err, "loud" in err) == ("", False, True)


def test_a_full_file_is_put_aside_and_only_a_few_are_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LARGEST", 1000)
    write_logs(home)
    for number in range(200):
        logging.getLogger("atlas_mcp").info("line %s", number)
    files = sorted(path.name for path in log_file(home).parent.iterdir())
    assert files == ["atlas.log", "atlas.log.1", "atlas.log.2", "atlas.log.3"]


def test_a_folder_that_cannot_be_written_to_costs_the_file_alone(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "logs").write_text("a file where the folder should be", "utf-8")
    write_logs(home)
    logging.getLogger("atlas_mcp").warning("loud")
    assert "loud" in capfd.readouterr().err
