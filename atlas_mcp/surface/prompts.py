"""The prompts: one a team, under its name, and the common jobs that the teams' folders hold."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastmcp.exceptions import ValidationError
from fastmcp.prompts.base import Prompt, PromptArgument, PromptResult
from pydantic import PrivateAttr

from atlas_mcp.catalogue import Catalogue, shipped
from atlas_mcp.errors import InvalidConfiguration, InvalidInput
from atlas_mcp.orchestration.prompt_file import OWN, load_prompt, prompt_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fastmcp import FastMCP

    from atlas_mcp.orchestration.prompt_file import TeamPrompt
    from atlas_mcp.orchestration.team import Team

__all__ = ["add_prompts", "named_prompts"]

log = logging.getLogger(__name__)


class _Offered(Prompt):
    """A team's prompt as the protocol has it."""

    _written: TeamPrompt = PrivateAttr()
    _tool: bool = PrivateAttr()

    async def render(self, arguments: dict[str, Any] | None = None) -> PromptResult:
        """What a person says to their model with these arguments."""
        given = {name: text for name, text in (arguments or {}).items() if text is not None}
        try:
            told = self._written.told(given, tool=self._tool)
        except InvalidInput as error:
            # FastMCP makes the protocol's "invalid params" of it.
            raise ValidationError(f"Prompt {self.name}: {error}", log_level=logging.DEBUG) from None
        return PromptResult(told, description=self.description)


def add_prompts(server: FastMCP, prompts: Mapping[str, TeamPrompt]) -> None:
    """Give a server its prompts."""
    with_tool = Catalogue().entries("teams", "team.toml")
    for name, prompt in prompts.items():
        offered = _Offered(
            name=name,
            title=prompt.title,
            description=prompt.description,
            arguments=[
                PromptArgument(name=each, description=argument.description, required=argument.required)
                for each, argument in prompt.arguments.items()
            ],
        )
        offered._written, offered._tool = prompt, prompt.team.name in with_tool
        server.add_prompt(offered)


def named_prompts(teams: Mapping[str, Team]) -> dict[str, TeamPrompt]:
    """Every prompt by the name that clients see: the teams' own under the teams' names, then the jobs.

    A job whose name is taken is called `<team>_<job>`, so that a copy of a team takes nothing away; shipped
    teams come first. What is wrong with a person's own is logged, and the prompt left out.

    Raises:
        InvalidConfiguration: a shipped prompt is wrong.
    """
    ordered = sorted(teams.values(), key=lambda team: (team.folder.parent != shipped("teams"), team.name))
    written = [prompt for team in ordered for prompt in _written(team)]
    named = {prompt.team.name: prompt for prompt in written if prompt.name == OWN}
    for prompt in written:
        if prompt.name != OWN:
            taken = prompt.name in named or prompt.name in teams
            named[f"{prompt.team.name}_{prompt.name}" if taken else prompt.name] = prompt
    return named


def _written(team: Team) -> Iterator[TeamPrompt]:
    for file in prompt_files(team):
        try:
            yield load_prompt(file, team)
        except InvalidConfiguration as error:
            if team.folder.parent == shipped("teams"):
                raise
            log.warning("a prompt of team %s is left out: %s", team.name, error)
