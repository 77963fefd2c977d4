"""How a run ended in one line: where it failed, why, what to do next, and which events led there; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_mcp.cli.words import lasting, seconds_between
from atlas_mcp.errors import ProviderError
from atlas_mcp.events import Kind
from atlas_mcp.observe.sentences import counted, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_mcp.events import Event
    from atlas_mcp.orchestration.store import RunRow

__all__ = ["Verdict", "judged", "took"]

Data: TypeAlias = "Mapping[str, Any]"

LONGEST = 400
"""Characters of a cause."""

_NOTHING = "nothing_to_show"
_BUDGET = "budget_spent"
_PROVIDERS = {each.code for each in (ProviderError, *ProviderError.__subclasses__())}
_ASIDES = {
    Kind.TOOL_REFUSED: "refused tool call", Kind.RESULT_SUSPECTED: "suspicious passage",
    Kind.RECOVERY_TRIED: "further attempt", Kind.MEMORY_FAILED: "failed use of memory",
}  # fmt: skip
"""What is counted of what went wrong on the way."""
_NAMED = 4
"""Assignments that are named one by one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person who was not there has to know first; nothing is `said` of a run that simply went well.

    `next` is what to do; `marked` are the `seq` of the events that led there.
    """

    sign: str = ""
    style: str = ""
    said: str = ""
    next: str = ""
    marked: frozenset[int] = frozenset()


def judged(row: RunRow, events: Sequence[Event]) -> Verdict:
    """The verdict on a run, whose events lack no key."""
    state = row.state.value
    if state == "failed":
        return _failed(row, events)
    if state == "done":
        return _partial(events) if row.partial else _done(events)
    if state == "waiting":
        return _waiting(row, events)
    if state == "queued":
        return Verdict("…", "dim", "It waits for a free place.")
    how, kind, further = _UNFINISHED.get(state, _UNFINISHED["running"])
    style = "cyan" if state == "running" else "yellow"
    said = f"It {how} {_where(events)}{_reason(events, kind)}."
    return Verdict("✂" if state in _CUT else "…", style, said, further.format(row.run_id))


_CUT = {"cancelled", "interrupted"}
_RESUME = "Let it go on: atlas-mcp runs resume {}"
_UNFINISHED = {
    "cancelled": (
        "was cancelled in", Kind.CONTROL_RECEIVED,
        "What it did until then is told below; a cancelled run cannot go on, ask again.",
    ),
    "interrupted": ("was interrupted in", Kind.RUN_INTERRUPTED, _RESUME),
    "paused": ("is paused in", Kind.RUN_PAUSED, _RESUME),
    "running": ("is at", None, "See it: atlas-mcp runs watch {}"),
}  # fmt: skip
"""What a run is that did not come to its end, which event says why, and what to do."""


def _failed(row: RunRow, events: Sequence[Event]) -> Verdict:
    error: Data = {"code": "unknown", "message": "Nothing says why.", **(row.error or {})}
    code = str(error["code"])
    works = _failures(events)
    planned = _planned(events)
    remedy = str(error.get("remedy") or "")
    if code == _NOTHING and works:
        message = _sentence(next(iter(works.values())).data["error"]["message"])
        share = "the only assignment" if planned == {*works} and len(planned) == 1 else _share(works, planned)
        said = f"Nobody's work succeeded: {share} failed, {_codes(works)}. {message}"
        remedy = remedy or _remedy_of(works)
    else:
        said = f"It failed in {_where(events)}: {_sentence(error['message'])} ({code})"
    if refusal := _said_no(events):
        said = f"{said} A person was asked and said: {refusal}."
    codes = {code, *(str(each.data["error"]["code"]) for each in works.values())}
    led = _led(events, works, code, failed=True) or _last_step(events)
    further = f"{remedy or _next(row, codes)}{_of_a_team(events, works)}"
    return Verdict("✗", "red", shortened(said, LONGEST), further, led)


def _partial(events: Sequence[Event]) -> Verdict:
    works, planned = _failures(events), _planned(events)
    limit = next((str(event.data.get("limit") or "") for event in reversed(events) if _ended(event)), "")
    cut = [
        event.data["assignment"] for event in events
        if event.kind is Kind.WORK_FINISHED and event.data.get("partial")
    ]  # fmt: skip
    causes: list[str] = []
    if limit:
        causes.append(f"the {limit.removeprefix('the ')} was reached")
    if works:
        causes.append(f"{_share(works, planned)} failed, {_codes(works)}")
    if cut:
        causes.append(f"what {_listed(cut)} gave was itself partial")
    steps = (event.data for event in reversed(events) if event.kind is Kind.STEP_FINISHED)
    last = next((data for data in steps if data["step"] == "deliver"), None)
    if last is not None and last.get("lost"):
        causes.append(f"{last['lost']} was not made. {_sentence(last['problem']).rstrip('.')}")
    said = "; ".join(causes) or "not everything that was found could be used"
    remedy = _remedy_of(works)
    if limit and not remedy:
        remedy = "Ask again with more: --budget-seconds, -tokens, -usd or -calls, or [budget] in team.toml."
    marked = _led(events, works, _BUDGET if limit else "", failed=False)
    return Verdict("◐", "yellow", shortened(f"It is partial: {said}.", LONGEST), remedy, marked)


def _done(events: Sequence[Event]) -> Verdict:
    """What went wrong on the way is said, since the state does not."""
    works = _failures(events)
    share = _share(works, _planned(events)) if works else ""
    said = [f"{share} failed, {_codes(works)}; the rest was enough"] if works else []
    said += _on_the_way(events)
    text = f"On the way: {'; '.join(said)}." if said else ""
    return Verdict("•", "yellow", text, _remedy_of(works)) if said else Verdict()


def _on_the_way(events: Sequence[Event]) -> list[str]:
    """What went wrong and was mended, or was a matter of one call alone, in few words."""
    said: list[str] = []
    if died := _deaths(events):
        said.append(f"its process died{'' if died == 1 else f' {died} times'} and it was taken up again")
    if switched := [event.data for event in events if event.kind is Kind.MODEL_SWITCHED]:
        codes = ", ".join(dict.fromkeys(each["failure"] or "paused" for each in switched))
        left, joined, often = switched[0]["left"], switched[0]["joined"], len(switched)
        how = f"{joined} went on for {left}" if often == 1 else f"models changed {often} times"
        said.append(f"{how} ({codes})")
    failed = [
        event.data["server"] for event in events
        if event.kind is Kind.SERVER_NOTED and event.data["what"] == "failed"
    ]  # fmt: skip
    said += [f"the server {server} failed" for server in dict.fromkeys(failed)]
    for kind, noun in _ASIDES.items():
        if number := sum(event.kind is kind for event in events):
            said.append(counted(number, noun))
    return said + [f"a warning: {event.data['text']}" for event in events if event.kind is Kind.ALERT_RAISED]


def _deaths(events: Sequence[Event]) -> int:
    """How often the run was taken up again though nobody had left it in order."""
    died, left = 0, True
    for event in events:
        if event.kind is Kind.RUN_RESUMED:
            died += not left
        left = event.kind in {Kind.RUN_INTERRUPTED, Kind.QUESTION_ANSWERED}
    return died


def _waiting(row: RunRow, events: Sequence[Event]) -> Verdict:
    answered = {event.data["id"] for event in events if event.kind is Kind.QUESTION_ANSWERED}
    asked = [
        event.data["text"] for event in events
        if event.kind is Kind.QUESTION_ASKED and event.data["id"] not in answered
    ]  # fmt: skip
    works = _failures(events)
    first = f"It waits for a person: {asked[-1]}" if asked else "It waits for a person."
    more = f" {counted(len(asked) - 1, 'further question')} open." if len(asked) > 1 else ""
    share = _share(works, _planned(events)) if works else ""
    said = f"{share[:1].upper()}{share[1:]} failed, {_codes(works)}. " if works else ""
    return Verdict(
        "?", "magenta", f"{said}{shortened(first, LONGEST)}{more}",
        f"Answer: atlas-mcp runs answer {row.run_id}", _led(events, works, "", failed=True),
    )  # fmt: skip


# What is read from the events


def _ended(event: Event) -> bool:
    return event.kind is Kind.RUN_FINISHED


def _planned(events: Sequence[Event]) -> set[str]:
    return {
        each["id"] for event in events if event.kind is Kind.PLAN_MADE for each in event.data["assignments"]
    }


def _failures(events: Sequence[Event]) -> dict[str, Event]:
    """How each assignment failed that did not succeed in the end, by its id."""
    failed: dict[str, Event] = {}
    for event in events:
        if event.kind is Kind.WORK_FAILED:
            failed[event.data["assignment"]] = event
        elif event.kind in {Kind.WORK_FINISHED, Kind.WORK_STARTED}:
            failed.pop(event.data["assignment"], None)
    return failed


def _where(events: Sequence[Event]) -> str:
    """The step that was begun and not ended, else the last one."""
    under_way: dict[str, str] = {}
    last = ""
    for event in events:
        if event.kind is Kind.STEP_STARTED:
            last = event.data["step"]
            under_way[last] = last
        elif event.kind is Kind.STEP_FINISHED:
            under_way.pop(event.data["step"], None)
    at_work = [event for event in events if event.kind in {Kind.WORK_STARTED, Kind.WORK_FAILED}]
    if not under_way and last == "plan" and at_work:
        return "the work that was planned"
    name = next(reversed(under_way), last)
    return f"the step {name}" if name else "its beginning"


def _last_step(events: Sequence[Event]) -> frozenset[int]:
    """The beginning of the step in which it ended."""
    begun = [event.seq for event in events if event.kind is Kind.STEP_STARTED]
    return frozenset(begun[-1:])


def _share(works: Mapping[str, Event], planned: set[str]) -> str:
    """`a4` of four: `1 of 4 assignments (a4)`; of `all 4`."""
    number = len(planned | works.keys())
    if len(works) == number:
        return f"all {counted(number, 'assignment')}" if number > 1 else "the only assignment"
    return f"{len(works)} of {counted(number, 'assignment')} ({_listed(list(works))})"


def _listed(names: Sequence[str]) -> str:
    first = sorted(names, key=lambda name: (len(name), name))[:_NAMED]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(first)}{more}"


def _codes(works: Mapping[str, Event]) -> str:
    codes = Counter(str(event.data["error"]["code"]) for event in works.values())
    if len(works) == 1:
        return f"with {next(iter(codes))}"
    if len(codes) == 1:
        return f"each with {next(iter(codes))}"
    return "with " + ", ".join(f"{code} ({times})" for code, times in codes.most_common())


def _remedy_of(works: Mapping[str, Event]) -> str:
    remedies = (str(event.data["error"].get("remedy") or "") for event in works.values())
    return next((remedy for remedy in remedies if remedy), "")


def _next(row: RunRow, codes: set[str]) -> str:
    """What to do where no error says so."""
    if codes & _PROVIDERS:
        return "See how whoever answers is: atlas-mcp providers --ping. Then ask again."
    return f"See every call and its error: atlas-mcp runs show {row.run_id} --tree"


def _of_a_team(events: Sequence[Event], works: Mapping[str, Event]) -> str:
    """Where the cause is told, if it was a team at work: in that team's own run."""
    runs = [
        event.data["run"] for event in events
        if event.kind is Kind.CHILD_STARTED and event.data["assignment"] in works
    ]  # fmt: skip
    return f" The team's own run says more: atlas-mcp runs show {runs[-1]}" if runs else ""


def _said_no(events: Sequence[Event]) -> str:
    """What a person answered by which the run ended."""
    for event in reversed(events):
        if event.kind is Kind.QUESTION_ANSWERED:
            answer: Data = event.data["answer"]
            decision = str(answer.get("decision", ""))
            if decision not in {"reject", "give_up"}:
                return ""
            note = f", {answer['note']}" if answer.get("note") else ""
            return f"{decision.replace('_', ' ')}{note}"
    return ""


def _reason(events: Sequence[Event], kind: Kind | None) -> str:
    reasons = [str(event.data.get("reason") or "") for event in events if event.kind is kind]
    return f": {reasons[-1]}" if reasons and reasons[-1] else ""


def _sentence(message: object) -> str:
    text = " ".join(str(message).split())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _led(events: Sequence[Event], works: Mapping[str, Event], code: str, *, failed: bool) -> frozenset[int]:
    """The events that led to the end: of each work that failed what failed it, and what failed the run."""
    marked = {event.seq for event in works.values()}
    causes = {name: str(event.data["error"]["code"]) for name, event in works.items()}
    for event in events:
        error: Data = event.data["error"] if isinstance(event.data.get("error"), dict) else {}
        at = event.span_id.removeprefix("work/").partition("/")[0].partition("~")[0]
        within = event.span_id.startswith("work/") and at in works
        wanted = causes.get(at, "") if within else code
        match event.kind:
            case Kind.MODEL_FAILED:
                led = error.get("code") == wanted
            case Kind.OUTPUT_REPAIRED:
                led = within and wanted == "invalid_output"
            case Kind.TOOL_FINISHED:
                led = within and bool(event.data["error"])
            case Kind.QUESTION_ANSWERED:
                led = failed and bool(_said_no([event]))
            case Kind.ESCALATED:
                led = failed
            case _:
                led = False
        if led:
            marked.add(event.seq)
    return frozenset(marked)


def took(events: Sequence[Event]) -> str:
    """How long it took from its first event to its last."""
    return lasting(seconds_between(events[0].at, events[-1].at)) if events else ""
