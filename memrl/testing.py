"""Contract kits: run them on your own part. Each promise is a sentence, and a broken one is told as that sentence.

    check_env(source)           an environment and its task source
    check_store(make)           a memory store (memory_stores.testing)
    check_estimator(estimator)  an estimator of credit (memrl.advantages.promises)
    check_controller(name)      a controller, by name or what makes it (memrl.controllers.promises)
    check_policy(name, config)  a policy, by name or what makes it (memrl.policies.promises)

A kit raises AssertionError. A run looks at what an environment shows in every step (``rollouts/guards.py``), and at
what parts that are not ours give back (``contracts/promised.py``); it plays nothing twice, as the kits do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memory_stores.testing import check_store as check_store
from memrl.advantages.promises import check_estimator as check_estimator
from memrl.contracts.capabilities import EvidenceReader, Finite, Misleads, able, is_passive
from memrl.contracts.promised import in_a_sentence
from memrl.contracts.protocols import Outcome, TaskSource
from memrl.contracts.types import Action, Choose, Observation, Say, Task
from memrl.controllers.promises import check_controller as check_controller
from memrl.policies.promises import check_policy as check_policy
from memrl.rollouts.guards import EnvFailed, EnvGuard

NONSENSE = Say("nonsense")
SEEDS = (1, 2, 3)
"""Beside 0, of tasks that are made."""


def check_env(source: TaskSource, task: Task | None = None, max_steps: int = 20_000) -> None:
    """Play a task twice and once rightly.

    Args:
        task: None for a task of every cell and a held-out one.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    with in_a_sentence("the source"):
        if task is not None:
            _check_task(source, task, max_steps)
            return
        made = [*_training_tasks(source), *_held_out_tasks(source)]
        told = [_check_task(source, one, max_steps) for one in made]
        # The hardest of training, the one held out, and that once more.
        _check_side_by_side(source, [*made[-2:], made[-1]], [*told[-2:], told[-1]])


def _training_tasks(source: TaskSource) -> list[Task]:
    cells = source.cells()
    assert cells, "cells() must name at least one cell, the last being what training is for"
    assert isinstance(cells, list | tuple), f"cells() must be a list or a tuple, in order; not a {type(cells).__name__}"
    assert all(isinstance(cell, str) for cell in cells), "cells() must name them by texts"
    assert len(set(cells)) == len(cells) and list(source.cells()) == list(cells), "cells() must always name the same"
    made = [source.train(cell, 0) for cell in cells]
    for cell, task in zip(cells, made, strict=True):
        assert task.split == "train" and task.cell == cell, "train(cell, seed) must give a task of that cell"
        assert task.env == source.name, "a task must carry its source's name, or nobody finds the way back"
    others = [source.train(cells[-1], seed) for seed in (0, *SEEDS)]
    assert others[0] == made[-1], "train(cell, seed) must give the same task for the same seed"
    return made


def _held_out_tasks(source: TaskSource) -> list[Task]:
    finite = able(source, Finite)
    made = [source.held_out(seed) for seed in (0, *SEEDS)]
    assert all(task.split == "eval" for task in made), "held_out(seed) must give a task of the evaluation split"
    assert source.held_out(0) == made[0], "held_out(seed) must give the same task for the same seed"
    assert any(task != made[0] for task in made) or (finite is not None and finite.num_tasks == 1), (
        "held_out(seed) must give other tasks for other seeds, or else say num_tasks = 1"
    )
    return made[:1]


def _check_task(source: TaskSource, task: Task, max_steps: int) -> list[Observation]:
    """What a play of it shows to an answer that makes no sense."""
    first, second = _play(source, task, max_steps), _play(source, task, max_steps)
    told = [observation for observation, _ in first]
    assert told == [observation for observation, _ in second], "two plays of one task must show the same"
    rewards = [outcome.reward for _, outcome in first]
    assert rewards == [outcome.reward for _, outcome in second], "two plays of one task must pay the same"
    if any(observation.choices for observation in told):
        _play(source, task, max_steps, None)
    if is_passive(source):
        other = [observation for observation, _ in _play(source, task, max_steps, Say("something else"))]
        assert told == other, "a passive source must show the same whatever is done"
    _check_right_answers_score(source, task, max_steps, told if is_passive(source) else None)
    return told


def _check_side_by_side(source: TaskSource, tasks: list[Task], alone: list[list[Observation]]) -> None:
    """A run plays many episodes at once, and makes some environments while others are in the middle."""
    envs = [_guarded(source, task) for task in tasks]
    shown: list[Observation | None] = [_promised(env.start) for env in envs]
    told: list[list[Observation]] = [[] for _ in tasks]
    while any(shown):
        for k, observation in enumerate(shown):
            if observation is not None:
                told[k].append(observation)
                shown[k] = _promised(envs[k].step, _said(observation, NONSENSE)).next
    assert told == alone, "environments that are played side by side must show what each shows alone"


def _check_right_answers_score(source: TaskSource, task: Task, max_steps: int, told: list[Observation] | None) -> None:
    """An answer that the evidence reader gives must be right with everything in view that does not mislead.

    Args:
        told: what a passive source showed to other answers; None for one that reacts.
    """
    reader, misleads = able(source, EvidenceReader), able(source, Misleads)
    if reader is None:
        return

    def in_view(question: str) -> frozenset[str]:
        return frozenset(id for id in seen if misleads is None or not misleads.misled(task, question, frozenset({id})))

    seen: list[str] = []
    env = source.make(task)
    observation: Observation | None = env.start()
    for place in range(max_steps):
        if observation is None:
            return
        assert told is None or told[place] == observation, "a passive source must show the same whatever is done"
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
    source: TaskSource, task: Task, max_steps: int, said: Action | None = NONSENSE
) -> list[tuple[Observation, Outcome]]:
    """The guard that stands in every run looks at each promise of a single step. None takes the first choice."""
    env = _guarded(source, task)
    observation: Observation | None = _promised(env.start)
    played: list[tuple[Observation, Outcome]] = []
    while observation is not None:
        assert len(played) < max_steps, f"the episode did not end within {max_steps} steps"
        outcome: Outcome = _promised(env.step, _said(observation, said))
        played.append((observation, outcome))
        observation = outcome.next
    return played


def _guarded(source: TaskSource, task: Task) -> EnvGuard:
    return _promised(EnvGuard, source.make, task)


def _said(observation: Observation, said: Action | None) -> Action | None:
    if not observation.wants_action:
        return None
    if said is None and observation.choices:
        return Choose(0, observation.choices[0])
    return said or NONSENSE


def _promised(call: Callable[..., Any], *given: Any) -> Any:
    try:
        return call(*given)
    except EnvFailed as failure:
        raise AssertionError(str(failure)) from failure
