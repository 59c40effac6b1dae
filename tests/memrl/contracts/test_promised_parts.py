"""What parts of others may keep, give back and be called: told before a run, or where it happens, in one line."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kitchen import Kitchens
from small_worlds import forget_parts, kitchens

import memrl
from memory_stores import AgentMemory, Bm25Store, Forget, Write
from memrl.contracts import registry, rows
from memrl.contracts.errors import ConfigError
from memrl.contracts.kept_state import problem_of_state
from memrl.controllers.fifo import Fifo
from memrl.controllers.promises import check_controller
from memrl.policies.promises import check_policy
from memrl.policies.scripted import ScriptedPolicy
from memrl.rollouts.rows.one_try import OneTry
from memrl.testing import check_store
from memrl.train import train


@pytest.fixture(autouse=True)
def clean():
    yield
    forget_parts()


# What a part keeps


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"recent": deque([1.0])}, r"state_dict\(\)\['recent'\] is a deque, which no checkpoint gives back: keep"),
        ({"a": [1, {"b": defaultdict(int)}]}, r"state_dict\(\)\['a'\]\[1\]\['b'\] is a defaultdict"),
        ({Path("x"): 1}, r"the key .* of state_dict\(\) is a PosixPath"),
        ({"w": np.array(["a"])}, "is a ndarray"),
        ({"f": lambda: 0}, "is a function"),
        ({"op": Write("x")}, "is a Write"),
    ],
)
def test_what_no_checkpoint_gives_back_is_named(state: Any, told: str) -> None:
    import re

    found = problem_of_state(state)
    assert found is not None and re.search(told, found), found


def test_plain_things_tensors_and_numbers_are_kept() -> None:
    generator = np.random.default_rng(0).bit_generator.state
    kept = [1, 2.5, None, "a", b"b", (1, [2]), {"k": {3}}, Counter("aab"), torch.zeros(2), np.zeros(3), np.float32(1)]
    assert (
        problem_of_state({"kept": kept, "generator": generator, "parameter": torch.nn.Parameter(torch.ones(1))}) is None
    )


class Recent(Fifo):
    def state_dict(self):
        return {"recent": deque([0.0])}

    def load_state_dict(self, state) -> None:
        """Nothing."""


class RecentPolicy(ScriptedPolicy):
    def __init__(self, context: Any = None) -> None:
        super().__init__(["wait"])

    def state_dict(self):
        return {"recent": deque([0.0])}

    def load_state_dict(self, state) -> None:
        """Nothing."""


def test_a_part_that_keeps_such_a_thing_is_told_by_the_kits_and_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"state_dict\(\)\['recent'\] is a deque"):
        check_controller(lambda context: Recent())
    with pytest.raises(AssertionError, match=r"state_dict\(\)\['recent'\] is a deque"):
        check_policy(RecentPolicy)
    memrl.register("controller", "recent", lambda context: Recent())
    with pytest.raises(ConfigError, match=r"controller.name = 'Recent': state_dict\(\)\['recent'\] is a deque"):
        train(kitchens(tmp_path / "run", controller={"name": "recent"}))
    assert not (tmp_path / "run").exists()


# An archive of one's own


class Refusing(Bm25Store):
    def apply(self, op, stamp=None):
        raise RuntimeError("asked")


class Renamed(Bm25Store):
    prefix = "m"

    def apply(self, op, *stamp):
        return super().apply(op, *stamp)


def test_an_archive_that_has_its_own_apply_is_asked_by_it() -> None:
    with pytest.raises(RuntimeError, match="asked"):
        AgentMemory(archive=Refusing(9, len)).apply(Write("x", "archive"))
    assert AgentMemory(archive=Bm25Store(9, len)).apply(Write("x", "archive")).created == ("a1",)


def test_ids_begin_with_the_letter_of_their_store() -> None:
    with pytest.raises(AssertionError, match="Ids must begin with the store's letter, here 'a'; it gave 'm1'"):
        check_store(lambda: Renamed(64, lambda text: len(text.split())))
    with pytest.raises(ValueError, match=r"Renamed\.apply gave the id 'm1': ids of this store must begin with 'a'"):
        AgentMemory(archive=Renamed(9, len)).apply(Write("x", "archive"))
    assert not AgentMemory(archive=Bm25Store(9, len)).apply(Forget("m1")).done


def test_what_a_store_raises_under_the_kit_is_a_sentence() -> None:
    with pytest.raises(AssertionError, match="The store raised RuntimeError when it was looked at: asked"):
        check_store(lambda: Refusing(64, len))


# Rows


class Few(OneTry):
    def __init__(self, context: rows.RowContext) -> None:
        super().__init__(context.agent, True)

    def play(self, tasks, seed):
        return super().play(tasks, seed)[:1]


class Bare(Few):
    def play(self, tasks, seed):
        return None


class Whole(Few):
    def play(self, tasks, seed):
        return OneTry.play(self, tasks, seed)


def test_a_row_by_its_place_plays_and_one_that_plays_too_little_is_told(tmp_path: Path) -> None:
    run = train(kitchens(tmp_path / "run"))
    here = __name__
    assert [row.controller for row in memrl.evaluate(run, rows=[f"{here}:Whole"]).rows] == [f"{here}:Whole"]
    with pytest.raises(ConfigError, match=r"rows = '.*:Few': play\(\) gave 1 for 3 tasks; give a list of one Played"):
        memrl.evaluate(run, rows=[f"{here}:Few"])
    with pytest.raises(ConfigError, match=r"rows = '.*:Bare': play\(\) gave a NoneType for 3 tasks"):
        memrl.evaluate(run, rows=[f"{here}:Bare"])


# Who is made


def test_a_part_of_others_that_is_nothing_or_fails_is_told(tmp_path: Path) -> None:
    def fails(context: Any) -> None:
        raise ValueError("length must be below 5")

    memrl.register("controller", "nothing", lambda context: None)
    memrl.register("curriculum", "fails", fails)
    with pytest.raises(ConfigError, match=r"controller.name = 'nothing': a controller has decide, .*NoneType does not"):
        train(kitchens(tmp_path / "a", controller={"name": "nothing"}))
    with pytest.raises(ConfigError, match=r"curriculum.name = 'fails': .*ValueError: length must be below 5"):
        train(kitchens(tmp_path / "b", curriculum={"name": "fails"}))


class Half(ScriptedPolicy):
    def __init__(self, context: Any = None) -> None:
        super().__init__(["wait"])

    def parameters(self):
        return iter([torch.nn.Parameter(torch.zeros(1))])

    def bump(self) -> None:
        """Nothing."""


def test_a_policy_with_half_of_what_training_takes_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="must have token_logprobs, freeze_reference, reference too"):
        check_policy(Half)
    memrl.register("policy", "half", Half)
    with pytest.raises(ConfigError, match=r"policy.name = 'Half': .*lacks token_logprobs, .*policy.trained = false"):
        made = kitchens(tmp_path / "run")
        train(replace(made, policy=replace(made.policy, name="half")))


# A run of registered parts


def test_a_part_that_was_registered_from_a_module_is_found_there_again() -> None:
    memrl.register("env", "pantry", Kitchens)
    home = registry.origin("env", "pantry")
    assert home == "module kitchen:Kitchens"
    del registry._PARTS["env", "pantry"]
    registry.remember_origin("env", "pantry", home)
    assert registry.find("env", "pantry", "env.name").make is Kitchens
    registry.remember_origin("env", "larder", "module no_such_module:Larder")
    with pytest.raises(ConfigError, match="the run had this env from no_such_module:Larder: there is no module"):
        registry.find("env", "larder", "env.name")
