"""How far something is: bars that move on a terminal; of documents a line now and then elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING
from urllib.parse import unquote

from atlas_mcp.observe.sentences import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from atlas_mcp.memory.documents.knowledge import OnProgress, Progress

__all__ = ["counting", "lasting", "passing", "telling"]

LINE_SECONDS = 10.0
"""The least time between two lines where no bars can be shown."""
LONGEST_NAME = 36
MINUTE, HOUR = 60, 3600


@contextmanager
def telling(console: Console, *, clock: Callable[[], float] = monotonic) -> Generator[OnProgress]:
    """Show how far an ingestion is, for as long as it goes on: `clock` gives seconds."""
    if not console.is_terminal:
        yield _Lines(console, clock).hear
        return
    with _bars(console) as bars:
        yield _Bars(bars, clock).hear


@contextmanager
def counting(console: Console) -> Generator[Callable[[str, int, int | None], None]]:
    """A bar for each thing that is told of by name, with how far it is; on a terminal alone."""
    if not console.is_terminal:
        yield lambda _name, _done, _of: None
        return
    from rich.progress import Progress as Bars

    with Bars(console=console, transient=True) as bars:
        known: dict[str, TaskID] = {}

        def told(name: str, done: int, of: int | None) -> None:
            if name not in known:
                known[name] = bars.add_task(name, total=of)
            bars.update(known[name], completed=done, total=of)

        yield told


@contextmanager
def passing(console: Console, name: str, lines: Iterable[str], size: int | None) -> Generator[Iterable[str]]:
    """Lines that move a bar as they are asked for; `size` is all of them in bytes, None where unknown."""
    with counting(console) as told:
        yield _passed(name, lines, size, told)


def _passed(
    name: str, lines: Iterable[str], size: int | None, told: Callable[[str, int, int | None], None]
) -> Iterator[str]:
    done = 0
    for line in lines:
        yield line
        # What was read before is done with by then.
        done += len(line.encode("utf-8", "surrogateescape"))
        told(name, done, size)


def lasting(seconds: float) -> str:
    """A time as people say it: "12 s", "4 min 10 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


class _Pace:
    """How fast a step goes: counted from its first word, as what came before was another's time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._step = ""
        self._start = 0.0
        self._first = 0

    def note(self, progress: Progress) -> str:
        """What is being read; or how many passages a second are embedded, and how long it will take."""
        if progress.step != self._step:
            self._step, self._start, self._first = progress.step, self._clock(), progress.done
        if progress.uri:
            # A file's name ends in what tells it from others; an address that is no file's may have none.
            name = unquote(progress.uri.rstrip("/").rpartition("/")[2]) or progress.uri
            return shortened(name, LONGEST_NAME)
        seconds = self._clock() - self._start
        embedded = progress.done - self._first
        if seconds <= 0 or embedded <= 0:
            return ""
        rate = embedded / seconds
        left = (progress.of - progress.done) / rate
        return f"{rate:,.0f} passages/s" + (f", {lasting(left)} left" if left >= 1 else "")


class _Lines:
    """A line every ten seconds."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._pace = _Pace(clock)
        self._told = clock()

    def hear(self, progress: Progress) -> None:
        note = self._pace.note(progress)
        if self._clock() - self._told >= LINE_SECONDS:
            self._told = self._clock()
            said = f"{progress}: {note}" if note else str(progress)
            self._console.print(said, markup=False, soft_wrap=True)


class _Bars:
    """A bar a step."""

    def __init__(self, bars: Bars, clock: Callable[[], float]) -> None:
        self._bars = bars
        self._pace = _Pace(clock)
        self._known: dict[str, TaskID] = {}

    def hear(self, progress: Progress) -> None:
        task = self._known.get(progress.step)
        if task is None:
            task = self._bars.add_task(progress.step, note="")
            self._known[progress.step] = task
        done = progress.done == progress.of
        self._bars.update(
            task,
            completed=progress.done,
            total=progress.of,
            note="" if done and progress.uri else self._pace.note(progress),
        )


def _bars(console: Console) -> Bars:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    class Note(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(str(task.fields.get("note", "")), style="dim", no_wrap=True, overflow="ellipsis")

    return Progress(
        TextColumn("{task.description:<9}"), BarColumn(30), MofNCompleteColumn(), Note(), console=console
    )
