"""A part that breaks its contract is named in one line, in a run as by the kits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Chooser, OpChoice
from memrl.contracts.registry import register
from memrl.controllers.promises import check_controller
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.train import train


def small(**changes: Any) -> TrainConfig:
    env = {"name": "memworld", "options": {"horizon": 12, "objects": 2, "places": 4, "questions": 3, "delay": 2}}
    return recipe("smoke", env=env, **changes)


class WrongPlace(Chooser):
    def choose(self, requests):
        return [OpChoice(99, 0.0) for _ in requests]


class TooFew(Chooser):
    def choose(self, requests):
        return []


class NoChoice(Chooser):
    def choose(self, requests):
        return [0 for _ in requests]


class NoList(Chooser):
    def choose(self, requests):
        return None


CONTROLLERS = {
    WrongPlace: r"it chose OpChoice\(index=99, logprob=0.0\) of \d+ offers; give an OpChoice with a place from 0",
    TooFew: r"it gave 0 choices for \d+ requests; give a list of one OpChoice each",
    NoChoice: r"it chose 0 of \d+ offers",
    NoList: r"it gave a NoneType for \d+ requests; give a list of one OpChoice each, in order",
}


@pytest.mark.parametrize("broken", CONTROLLERS)
def test_a_controller(broken: Any, tmp_path: Path):
    register("controller", f"test-{broken.__name__}", lambda context: broken())
    made = small(controller={"name": f"test-{broken.__name__}"}, out=str(tmp_path / "run"), steps=1)
    with pytest.raises(ConfigError, match=rf"controller\.name = '{broken.__name__}': {CONTROLLERS[broken]}") as error:
        train(made)
    assert "memrl.testing.check_controller" in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(AssertionError, match=CONTROLLERS[broken]):
        check_controller(lambda context: broken())


class Few(ScriptedPolicy):
    def sample(self, requests):
        return []


class Words(ScriptedPolicy):
    def sample(self, requests):
        return ["yes" for _ in requests]


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (Few, r"it gave 0 decisions for \d+ requests; give one each, in order"),
        (Words, "it gave 'yes', which is no OpDecision and no TokenDecision"),
    ],
)
def test_a_policy(broken: Any, what: str, tmp_path: Path):
    register("policy", f"test-{broken.__name__}", lambda context: broken(lambda request: "yes"))
    made = small(policy={"name": f"test-{broken.__name__}", "trained": False}, out=str(tmp_path / "run"))
    made = replace(made, steps=1, learner=replace(made.learner, rereads=0))
    with pytest.raises(ConfigError, match=rf"policy\.name = '{broken.__name__}': {what}"):
        train(made)


def zeros(episodes: Any) -> list[Any]:
    return [np.zeros(sum(1 for _ in episode.decisions)) for episode in episodes]


@pytest.mark.parametrize(
    ("name", "give", "what"),
    [
        ("short", lambda episodes: [0.0], r"it gave 1 arrays for \d+ episodes; give one array each"),
        ("shape", lambda episodes: [0.0 for _ in episodes], r"it gave numbers of shape \(\) for \d+ decisions"),
        ("nan", lambda episodes: [one * np.nan for one in zeros(episodes)], "it gave a number that is not finite"),
        ("none", lambda episodes: None, r"it gave a NoneType for \d+ episodes"),
    ],
)
def test_an_estimator(name: str, give: Any, what: str, tmp_path: Path):
    register("estimator", f"test-{name}", lambda episodes, scene: give(episodes))
    made = small(credit={"name": f"test-{name}"}, out=str(tmp_path / "run"), steps=1)
    with pytest.raises(ConfigError, match=rf"credit\.name = 'test-{name}': {what}"):
        train(made)
