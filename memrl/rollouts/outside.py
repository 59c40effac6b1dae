"""The same story outside an episode: a text taken in, entries brought into view, with no environment to reply."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from memory_stores.types import Hit
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import Decision, Observation
from memrl.rollouts.play import EpisodeContext, OpNeed, retrieve, write
from memrl.rollouts.scheduler import decide, sample


def take_in(context: EpisodeContext, observation: Observation) -> list[Decision]:
    """The controller's ops on one observation, carried out now."""
    decisions: list[Decision] = []
    _drive(write(context, observation, decisions), context.agent)
    return decisions


def bring_into_view(context: EpisodeContext, observation: Observation, decisions: list[Decision]) -> tuple[Hit, ...]:
    """What the controller retrieves before a question is answered; its decisions are appended."""
    return _drive(retrieve(context, observation, decisions), context.agent)


def _drive(plays: Generator[Any, Any, Any], agent: Agent) -> Any:
    """Run a generator that needs no environment."""
    try:
        need = next(plays)
        while True:
            [found] = _served(need, agent)
            need = plays.send(found)
    except StopIteration as stop:
        return stop.value


def _served(need: OpNeed | SampleRequest, agent: Agent) -> list[Any]:
    return list(decide([need], agent)) if isinstance(need, OpNeed) else sample([need], agent)
