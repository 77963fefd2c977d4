"""A script of atlas: research, a text, its rating, and as many better texts as its rating asks for."""

from __future__ import annotations

from tests.orchestration.talk import SPRING, TABLE

__all__ = ["DRAFTS", "RUBRIC", "TASK", "script"]

TASK = "Write a notice on the spring tides and the tide table for visitors."

RUBRIC = """\
- It says when spring tides come (31 points)
- It says who publishes the tide table (11 points)
- It thanks the reader (8 points)"""

SPRINGS = "Spring tides come at new moon and at full moon [f1]."
TABLES = "A harbour master must publish the tide table every month [f2]."

DRAFTS = {
    "first": f"{SPRINGS}",
    "second": f"{SPRINGS}\\n\\n{TABLES}",
}

_PLANS = f"""
[[reply]]
when = {{ intent = "plan", contains = "team:rating" }}
json = {{ assignments = [
  {{ id = "a1", worker = "team:research", goal = "When do spring tides come, and who tells?", after = [] }},
  {{ id = "a2", worker = "team:writing", goal = "A notice on the spring tides.", after = ["a1"] }},
  {{ id = "a3", worker = "team:rating", goal = "Is the notice good enough?", after = ["a2"] }},
], reason = "It takes sources, a text, and a second look." }}

[[reply]]
when = {{ intent = "plan", contains = "documents:" }}
json = {{ assignments = [
  {{ id = "a1", worker = "documents", goal = "When do spring tides come?", after = [] }},
  {{ id = "a2", worker = "documents", goal = "Who publishes the tide table?", after = [] }},
] }}

[[reply]]
when = {{ intent = "plan", contains = "writer:" }}
json = {{ assignments = [{{ id = "a1", worker = "writer", goal = "The whole notice.", after = [] }}] }}

[[reply]]
when = {{ agent = "documents", contains = "Your goal: When do spring tides come?" }}
json = {{ findings = [{{ passage = "p1", quote = "{SPRING}" }}], gaps = [] }}

[[reply]]
when = {{ agent = "documents", contains = "Your goal: Who publishes" }}
json = {{ findings = [{{ passage = "p1", quote = "{TABLE}" }}], gaps = [] }}

[[reply]]
when = {{ agent = "writer" }}
json = {{ heading = "Tides", text = "{SPRINGS}", gaps = [] }}

[[reply]]
when = {{ intent = "compose", contains = "Question: " }}
json = {{ answer = "{SPRING} [f1] {TABLE} [f2]", claims = [
  {{ text = "Spring tides come at new moon and full moon.", finding_ids = ["f1"] }},
  {{ text = "A harbour master publishes the tide table.", finding_ids = ["f2"] }},
], disagreements = [], open_questions = [], confidence = 0.9 }}
"""


def _composed(said: str, document: str) -> str:
    return f"""
[[reply]]
when = {{ agent = "supervisor", intent = "compose", contains = "{said}" }}
json = {{ title = "Tides", document = "{document}", open_questions = [] }}
"""


def _judged(said: str, *met: bool) -> str:
    names = [line[2:].rpartition(" (")[0] for line in RUBRIC.splitlines()]
    verdicts = ", ".join(
        f'{{ name = "{name}", rationale = "Read it.", met = "{"yes" if each else "no"}" }}'
        for name, each in zip(names, met, strict=True)
    )
    return f"""
[[reply]]
when = {{ intent = "rate", contains = "{said}" }}
json = '{{"criteria": [{_json(verdicts)}]}}'
"""


def _json(verdicts: str) -> str:
    return (
        verdicts.replace("{ name = ", '{"evidence": null, "name": ')
        .replace(", rationale = ", ', "rationale": ')
        .replace(", met = ", ', "met": ')
        .replace(" }", "}")
    )


def script(*, better: bool = True) -> str:
    """The script; where it is not `better`, every text after the first is worse."""
    revised = DRAFTS["second"] if better else "Spring tides are rare [f1]."
    return (
        _PLANS
        + _composed("Instructions: ", revised)
        + _composed("Task: ", DRAFTS["first"])
        + _judged("publish the tide table every month", True, True, False)
        + _judged("Spring tides are rare", False, False, True)
        + _judged("Spring tides come", True, False, False)
    )
