"""T19: attributing ops by replay costs about as many operations a step in a long episode as in a short one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scripted_writer import Script
from toy import TASK, ToyTasks, toy_agent

from memory_stores.types import Overwrite, Write
from memrl.advantages.contract import Scene
from memrl.contracts.config import CreditConfig
from memrl.contracts.registry import find, make_options
from memrl.policies.oracle_reader import OracleReader
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all


def calls(steps: int, name: str) -> int:
    """Python calls of the estimator on an episode whose memory holds two texts: a count that no busy machine moves."""
    story = tuple("is it here?" if n % 10 == 9 else f"fact number {n} here" for n in range(steps))
    source = ToyTasks(story)
    keeper = Script(lambda step, op: isinstance(op, Write | Overwrite))
    agent = toy_agent(source, keeper, OracleReader({"toy": source}), budget=8, max_ops=1)  # pyright: ignore[reportArgumentType]
    context = EpisodeContext(agent=agent, task=TASK, memory=agent.new_memory(), rng=np.random.default_rng(0))
    [episode] = play_all([play_episode(context)], agent, 1)
    assert sum(isinstance(d.action, Write | Overwrite) for d in episode.decisions) == 0.9 * steps
    part = find("estimator", name, "credit.name")
    scene = Scene(agent, CreditConfig(name=name), make_options(part, {}, "credit.options"))
    count = 0

    def hook(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    part.make([episode, episode], scene)
    sys.setprofile(hook)
    try:
        part.make([episode, episode], scene)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", ["leave_one_out", "answer_likelihood_gain", "blended", "retrieval_tracing"])
def test_four_times_the_steps_cost_about_four_times_as_much(name: str):
    assert calls(400, name) < 5 * calls(100, name)
