"""One discount for rewards, targets and bootstraps (T5), and an episode that a limit cut off goes on (T6), by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from episodes import NOBODY, TASK, episode, op
from toy import Taker, ToyTasks, toy_agent

from memory_stores.types import Write
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig
from memrl.contracts.types import End, Episode, Group
from memrl.rollouts.scheduler import play
from memrl.training.batch import make_batch


class Critic(Taker):
    """Expects given values of the moments that it is asked about at once, and notes how much was on offer there."""

    has_critic = True

    def __init__(self, *values: float) -> None:
        super().__init__(Write)
        self._values, self.asked = values, []

    def values(self, offers):
        self.asked.append([len(one.ops) for one in offers])
        return np.array([self._values[i % len(self._values)] for i in range(len(offers))])


def credits_of(*episodes: Episode, critic: Critic, discount: float, lam: float, agent=NOBODY):
    config = CreditConfig(name="gae", discount=discount, options={"gae_lambda": lam})
    group = Group(task=TASK, episodes=episodes)
    return give_credit([group], config, replace(agent, controller=critic))


def test_a_reward_four_steps_later_is_worth_a_sixteenth():
    """T5: one decision, then four steps without any; 0.5 ** 4 of the reward 1, less the value 0."""
    late = episode(([op(1)], 0.0), ([], 0.0), ([], 0.0), ([], 0.0), ([], 1.0))
    first, _ = credits_of(late, late, critic=Critic(0.0), discount=0.5, lam=1.0)
    assert first.advantages.tolist() == first.to_go.tolist() == [0.0625]
    batch = make_batch([first])
    assert batch.ops is not None and batch.ops.to_go.tolist() == [0.0625]


def test_between_decisions_every_step_is_discounted():
    """Decisions at steps 0, 2 and 2, values 2, 1 and 2; step 1 pays 1/2, step 3 pays 2; discount 1/2."""
    one = episode(([op(1)], 0.0), ([], 0.5), ([op(1), op(0)], 0.0), ([], 2.0))
    (whole, _), (next_only, _) = (
        credits_of(one, one, critic=Critic(2.0, 1.0, 2.0), discount=0.5, lam=lam) for lam in (1.0, 0.0)
    )
    # Returns to go: 1/2 * 1/2 + 1/8 * 2 = 1/2; then 1/2 * 2 = 1, twice.
    assert whole.to_go.tolist() == [0.5, 1.0, 1.0]
    assert whole.advantages.tolist() == [0.5 - 2, 1.0 - 1, 1.0 - 2]
    # 1/4 and what is expected two steps later; what is expected in the same step; 1 and the end.
    assert next_only.advantages.tolist() == [1 / 4 + 1 / 4 * 1 - 2, 0 + 2 - 1, 1 - 2]


def test_who_was_cut_off_goes_on_with_what_the_critic_expects_of_the_moment_never_played():
    """T6. Three texts, a limit of two steps: each is written, and the third is met with both in memory."""
    agent = toy_agent(ToyTasks(("one fact", "two facts", "three facts")), Taker(Write), step_limit=2)
    critic = Critic(3.0)
    [group] = play(agent, [TASK], [0], tries=2)
    episode = group.episodes[0]
    assert episode.end is End.STEP_LIMIT and episode.cut is not None and episode.cut.text == "three facts"
    own = [d for step in episode.steps for d in step.decisions]
    found = credits_of(*group.episodes, critic=critic, discount=0.5, lam=1.0, agent=agent)[0]
    sites = [t for t, step in enumerate(episode.steps) for _ in step.decisions]
    # No reward at all: what is still to be had is the critic's 3, discounted by the steps until the cut.
    assert found.to_go.tolist() == [3.0 * 0.5 ** (2 - t) for t in sites]
    assert found.advantages.tolist() == pytest.approx([3.0 * 0.5 ** (2 - t) - 3.0 for t in sites])
    # Its decisions, then the moment of the cut by itself: Keep, Write, and what two lines in memory allow besides.
    assert len(critic.asked[0]) == len(own) and len(critic.asked[1]) == 1
    assert critic.asked[1][0] > len(own[0].offers.ops)  # pyright: ignore[reportAttributeAccessIssue]


def test_an_ending_of_its_own_is_worth_nothing_more():
    done = episode(([op(1)], 1.0))
    found, _ = credits_of(done, done, critic=Critic(3.0), discount=0.5, lam=1.0)
    assert found.to_go.tolist() == [1.0] and found.advantages.tolist() == [-2.0]


def test_without_a_critic_what_was_cut_off_is_the_return_as_it_was():
    cut = episode(([op(1)], 1.0), end=End.STEP_LIMIT)
    [found, _] = give_credit([Group(task=TASK, episodes=(cut, cut))], CreditConfig(discount=0.5), NOBODY)
    assert found.to_go.tolist() == [1.0]
