"""An MCP server over stdio that behaves as it is told: `python server.py BEHAVIOUR`.

It greets with protocol 2025-06-18 and knows no `server/discover`. Unless said otherwise its tools are those
of `fine`, and it ends when stdin closes.

| behaviour             | tools                  | what it does                                                    |
|-----------------------|------------------------|-----------------------------------------------------------------|
| `fine`                | `echo(text)`, `read_page(url)` (only reads), `write_note(text)`, `slow(seconds)`, `fails()` | behaves |
| `hang-start`          | none                   | answers nothing                                                 |
| `hang-call`           | of `fine`              | answers no call                                                 |
| `hang-close`          | of `fine`              | ignores the end of stdin, SIGTERM and SIGINT; ends after 120 s  |
| `slow-start`          | of `fine`              | reads nothing for SECONDS (environment; 1)                      |
| `dies-at-start`       | none                   | ends with 3 and a secret on stderr                              |
| `dies-in-call`        | `echo(text)`, `die()`  | ends with 1 in `die`                                            |
| `dies-after`          | of `fine`              | ends after one answered call                                    |
| `child`               | `child()`              | has a child, which `child` gives the number of, for 120 s       |
| `noise`               | of `fine`              | plain lines, and JSON that is no message, around every message  |
| `nonsense`            | `nonsense(kind)`, `echo(text)` | no answer, but what `kind` says: `broken`, `id`, `type`, `content`, `both`, `version`, `array`, `number` |
| `flood-lines`         | of `fine`              | plain lines without end, from the greeting on                   |
| `flood-line`          | of `fine`              | one line without end, from the greeting on                      |
| `flood-notifications` | of `fine`              | log messages without end, from the greeting on                  |
| `chatty`              | `chat`                 | tells of its progress 250 times at once, and then asks a ping   |
| `flood-requests`      | of `fine`              | asks for our roots without end, from the greeting on            |
| `flood-answers`       | of `fine`              | answers to what nobody asked without end, from the greeting on  |
| `flood-stderr`        | of `fine`              | 1 MB on stderr before the greeting, then without end            |
| `other-sessions`      | of `fine`, `calendar()` | refuses `calendar` with words of another session than ours     |
| `huge`                | `huge()`, `echo(text)` | SIZE (environment; 50) megabytes in one line                    |
| `huge-list`           | `wide(…)`, `tool_0()` to `tool_9999()` | a schema of 5 MB, and 10,000 tools              |
| `wrong-types`         | none                   | lists an object for a list                                      |
| `pages-forever`       | `tool_0()` …           | a list whose pages never end, one tool a page                   |
| `deep`                | `deep()`               | structured content, lists within lists, 5,000 deep              |
| `binary`              | `binary()`             | bytes that are no UTF-8, before the list and in the result      |
| `changing`            | `echo(text)`           | another description once the file named by CHANGE is there      |
| `changing-add`        | `echo(text)`, later `other(text)` | the same, with a tool more                           |
| `changing-schema`     | `echo(text)`           | the same, with `echo(text, context)`                            |
| `changing-remove`     | `echo(text)`, later `other(text)` alone | the same, with the tool gone                   |
| `asks-elicitation`    | `ask()`, `echo(text)`  | asks the client in `ask`, whose result is the answer as JSON    |
| `asks-sampling`       | `ask()`, `echo(text)`  | the same, for a completion                                      |
| `asks-roots`          | `ask()`, `echo(text)`  | the same, for the client's folders                              |
| `poisoned`            | `add(a, b, sidenote)`, `read_page(url)` | orders in a description, in a result, and hidden |
| `bad-schemas`         | `echo`, `other`, `slow_to_check` | schemas that are none, endless, or slow               |
| `wicked`              | `search(query)`, `fails()`, `refuses()` | orders in a title, in an error, in a refusal |
| `error-results`       | of `fine`              | every call fails, with a secret in the text                     |
"""  # noqa: E501 - a table

from __future__ import annotations

import sys

from lives import LIVES
from talk import TALK
from tricks import TRICKS

__all__ = ["BEHAVIOURS"]

BEHAVIOURS = {**LIVES, **TALK, **TRICKS}

if __name__ == "__main__":
    BEHAVIOURS[sys.argv[1]]().run()
