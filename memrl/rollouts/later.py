"""Answers that change nothing that follows, given together when an episode's story is over.

    story: observations, memory, views ──> the questions of all episodes in one batch ──> the story again, with answers

A model reads and writes hundreds of answers in little more time than a few, and questions over one memory share most of
their prompts. Every question keeps the seed that it would have had on the spot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from memrl.contracts.capabilities import is_passive
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import Observation, Step, TokenDecision, Unreadable
from memrl.rollouts.guards import EnvFailed

NOT_YET = Unreadable("")
"""What the environment is told in the place of an answer while the story goes on."""


class AnswersNeed(NamedTuple):
    """All answers of an episode."""

    requests: tuple[SampleRequest, ...]


class Question(NamedTuple):
    """An answer that is still to be given."""

    step: int
    """Of the episode, counted from 0."""
    place: int
    """Decisions of that step that came before it."""
    request: SampleRequest


def waits(agent: Agent, observation: Observation, slow: bool) -> bool:
    """Whether the answer may wait: nothing that follows rests on it, it is not remembered, the environment may be
    played twice, and the policy gains by a large batch."""
    return (
        is_passive(agent.task_source)
        and not observation.writable
        and not slow
        and not agent.rollout.scratch_turns
        and not getattr(agent.policy_of(observation.to), "instant", False)
    )


def with_answer(step: Step, question: Question, answer: TokenDecision) -> Step:
    """The step as if the answer had been given on the spot; what came of it is still to be told."""
    decisions = (*step.decisions[: question.place], answer, *step.decisions[question.place :])
    return replace(step, decisions=decisions)


def check_same(steps: Sequence[Step], number: int, shown: Observation | None) -> None:
    """Raises EnvFailed where answers changed what was shown after step ``number``."""
    if number + 1 < len(steps) and shown != steps[number + 1].observation:
        raise EnvFailed(
            f"an answer changed what follows observation {steps[number].observation.id!r}, though the task source "
            "says passive = True"
        )
