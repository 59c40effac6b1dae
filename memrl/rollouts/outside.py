"""The same story outside an episode: a text taken in, a question answered, with no environment to reply."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import Decision, Observation, TokenDecision, ViewLine
from memrl.rollouts.play import EpisodeContext, OpNeed, act, retrieve, see, write
from memrl.rollouts.scheduler import decide, sample


class Answered(NamedTuple):
    """A question outside an episode."""

    decisions: list[Decision]
    view: tuple[ViewLine, ...]
    answer: TokenDecision


def take_in(context: EpisodeContext, observation: Observation) -> list[Decision]:
    """The controller's ops on one observation, carried out now."""
    decisions: list[Decision] = []
    _drive(write(context, observation, decisions), context.agent)
    return decisions


def answer_question(context: EpisodeContext, observation: Observation) -> Answered:
    """Retrieve, look, answer."""
    decisions: list[Decision] = []
    hits = _drive(retrieve(context, observation, decisions), context.agent)
    view = see(context.memory, hits, context.agent)
    answer = _drive(act(context, observation, view, decisions), context.agent)
    return Answered(decisions, view, answer)


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
