"""Contract kits: run them on your own part. Each promise is a sentence, and a broken one is told as that sentence.

    check_env(source)           an environment and its task source
    check_store(make)           a memory store (memory_stores.testing)
    check_estimator(estimator)  an estimator of credit (memrl.advantages.promises)
    check_controller(name)      a controller, by name or what makes it (memrl.controllers.promises)
    check_policy(name, config)  a policy, by name or what makes it (memrl.policies.promises)

A kit raises AssertionError; the same promises are looked at in every run (``rollouts/guards.py``).
"""

from __future__ import annotations

from memory_stores.testing import check_store as check_store
from memrl.advantages.promises import check_estimator as check_estimator
from memrl.contracts.capabilities import EvidenceReader, Misleads, able, is_passive
from memrl.contracts.protocols import Outcome, TaskSource
from memrl.contracts.types import Action, Observation, Say, Task
from memrl.controllers.promises import check_controller as check_controller
from memrl.policies.promises import check_policy as check_policy
from memrl.rollouts.guards import EnvFailed, EnvGuard


def check_env(source: TaskSource, task: Task | None = None, max_steps: int = 20_000) -> None:
    """Play a task twice and once rightly.

    Args:
        task: None for a task of every cell and a held-out one.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    if task is None:
        assert source.cells(), "cells() must name at least one cell, the last being what training is for"
        for cell in source.cells():
            made = source.train(cell, 0)
            assert made.split == "train" and made.cell == cell, "train(cell, seed) must give a task of that cell"
            assert made.env == source.name, "a task must carry its source's name, or nobody finds the way back"
            check_env(source, made, max_steps)
        held_out = source.held_out(0)
        assert held_out.split == "eval", "held_out(seed) must give a task of the evaluation split"
        check_env(source, held_out, max_steps)
        return
    first, second = _play(source, task, max_steps), _play(source, task, max_steps)
    told = [observation for observation, _ in first]
    assert told == [observation for observation, _ in second], "two plays of one task must show the same"
    rewards = [outcome.reward for _, outcome in first]
    assert rewards == [outcome.reward for _, outcome in second], "two plays of one task must pay the same"
    if is_passive(source):
        other = [observation for observation, _ in _play(source, task, max_steps, Say("something else"))]
        assert told == other, "a passive source must show the same whatever is done"
    _check_right_answers_score(source, task, max_steps)


def _check_right_answers_score(source: TaskSource, task: Task, max_steps: int) -> None:
    """An answer that the evidence reader gives must be right with everything in view that does not mislead."""
    reader, misleads = able(source, EvidenceReader), able(source, Misleads)
    if reader is None:
        return

    def in_view(question: str) -> frozenset[str]:
        return frozenset(id for id in seen if misleads is None or not misleads.misled(task, question, frozenset({id})))

    seen: list[str] = []
    env = source.make(task)
    observation: Observation | None = env.start()
    for _ in range(max_steps):
        if observation is None:
            return
        asks = observation.is_question
        answer = reader.read(task, observation.id, in_view(observation.id)) if asks else None
        outcome = env.step(None if answer is None else Say(answer))
        if outcome.verdict is not None:
            assert outcome.verdict.score == 1.0, (
                f"the evidence reader said {answer!r}, expected {outcome.verdict.expected!r}"
            )
        seen.append(observation.id)
        observation = outcome.next


def _play(
    source: TaskSource,
    task: Task,
    max_steps: int,
    said: Action = Say("nonsense"),  # noqa: B008
) -> list[tuple[Observation, Outcome]]:
    """The guard that stands in every run looks at each promise of a single step."""
    try:
        env = EnvGuard(source.make, task)
        observation: Observation | None = env.start()
        played: list[tuple[Observation, Outcome]] = []
        while observation is not None:
            assert len(played) < max_steps, f"the episode did not end within {max_steps} steps"
            outcome = env.step(said if observation.wants_action else None)
            played.append((observation, outcome))
            observation = outcome.next
    except EnvFailed as failure:
        raise AssertionError(str(failure)) from failure
    return played
