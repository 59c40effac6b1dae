"""Rewards of other answers: put together where every answer is paid for by itself, played alone where it is not."""

from __future__ import annotations

from typing import Any

import pytest
from toy import TASK, Echo, Taker, ToyTasks, toy_agent

from memrl.contracts.types import Action, Episode, Say
from memrl.rollouts.judge import Judge
from memrl.rollouts.scheduler import play

ASKED = 6


class Counting(ToyTasks):
    """Six questions to be answered "yes"; with ``streak``, an answer pays only after another right one."""

    def __init__(self, streak: bool = False) -> None:
        super().__init__(tuple(f"is it {i}?" for i in range(ASKED)))
        self.streak, self.made = streak, 0

    def make(self, task: Any) -> Any:
        self.made += 1
        env, last, streak = super().make(task), [True], self.streak
        inner = env.step

        def step(action: Action | None) -> Any:
            outcome = inner(action)
            paid = outcome.reward if last[0] or not streak else 0.0
            last[0] = action == Say("yes")
            return outcome._replace(reward=paid)

        env.step = step
        return env


def played(source: Counting) -> tuple[Episode, Any]:
    agent = toy_agent(source, Taker(), Echo())  # says "no", for want of a lantern
    [group] = play(agent, [TASK], [0], tries=1)
    source.made = 0
    return group.episodes[0], agent


CASES = [{t: Say("yes")} for t in range(ASKED)] + [{0: Say("yes"), 1: Say("yes")}]


@pytest.mark.parametrize("streak", [False, True])
def test_every_case_earns_what_it_earns_played_alone(streak: bool):
    source = Counting(streak)
    episode, agent = played(source)
    told = Judge([episode], agent)
    for case in CASES:
        told.add(0, case)
    for case in CASES:
        alone = Judge([episode], agent).rewards(0, case)
        found = told.rewards(0, case)
        assert found is not None and alone is not None and found.tolist() == alone.tolist()
    both = told.rewards(0, CASES[-1])
    assert both is not None and both.tolist() == [1, 1, 0, 0, 0, 0]


def test_three_plays_tell_all_cases_where_answers_are_paid_for_by_themselves():
    source = Counting()
    episode, agent = played(source)
    judge = Judge([episode], agent)
    for case in CASES:
        judge.add(0, case)
    assert all(judge.rewards(0, case) is not None for case in CASES)
    assert source.made == 3  # all six at once, then the largest case and a small one alone


def test_a_case_that_was_not_told_is_played():
    source = Counting()
    episode, agent = played(source)
    found = Judge([episode], agent).rewards(0, {3: Say("yes")})
    assert found is not None and found.tolist() == [0, 0, 0, 1, 0, 0] and source.made == 1
