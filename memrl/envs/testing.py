"""``check_env``: the promises of an environment task source, as sentences. Our tests call it; so can yours."""

from __future__ import annotations

import itertools

from memrl.contracts.protocols import Outcome, TaskSource
from memrl.contracts.types import Kind, Observation, Say, Task


def check_env(task_source: TaskSource, task: Task, max_steps: int = 20_000) -> None:
    """Play ``task`` twice and once wrongly.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    first, second = _play(task_source, task, max_steps), _play(task_source, task, max_steps)
    told = [observation for observation, _ in first]
    assert told == [observation for observation, _ in second], "two plays of one task must show the same"
    assert len({o.id for o in told}) == len(told), "observation ids must be unique in their episode"
    assert all(a.step < b.step for a, b in itertools.pairwise(told)), "the clock must move forward"
    for observation, outcome in first:
        asked = observation.kind is Kind.ASK
        assert (outcome.verdict is not None) == asked, "a verdict belongs to a question, and every question has one"
        if outcome.verdict is not None:
            assert 0.0 <= outcome.verdict.score <= 1.0, "a score must lie in [0, 1]"
    _check_right_answers_score(task_source, task, max_steps)


def _check_right_answers_score(task_source: TaskSource, task: Task, max_steps: int) -> None:
    """An answer that the exact reader gives with everything in view must be right."""
    env, seen = task_source.make(task), []
    observation: Observation | None = env.start()
    for _ in range(max_steps):
        if observation is None:
            return
        answer = None
        if observation.kind is Kind.ASK:
            answer = task_source.read(task, observation.id, frozenset(seen))
            if answer is None:
                return
        outcome = env.step(None if answer is None else Say(answer))
        if outcome.verdict is not None:
            assert outcome.verdict.score == 1.0, (
                f"the exact reader said {answer!r}, expected {outcome.verdict.expected!r}"
            )
        seen.append(observation.id)
        observation = outcome.next


def _play(task_source: TaskSource, task: Task, max_steps: int) -> list[tuple[Observation, Outcome]]:
    env = task_source.make(task)
    observation: Observation | None = env.start()
    played: list[tuple[Observation, Outcome]] = []
    while observation is not None:
        assert len(played) < max_steps, f"the episode did not end within {max_steps} steps"
        outcome = env.step(Say("nonsense") if observation.kind is Kind.ASK else None)
        played.append((observation, outcome))
        observation = outcome.next
    return played
