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

import memrl
from memory_stores import AgentMemory, Bm25Store, Forget, Write
from memrl.contracts import registry, rows
from memrl.contracts.config import TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.kept_state import problem_of_state
from memrl.contracts.protocols import Outcome
from memrl.contracts.types import Observation, Say, Task, Verdict
from memrl.controllers.fifo import Fifo
from memrl.controllers.promises import check_controller
from memrl.policies.promises import check_policy
from memrl.policies.scripted import ScriptedPolicy
from memrl.recipes import recipe
from memrl.rollouts.rows.one_try import OneTry
from memrl.testing import check_env, check_store
from memrl.train import train


@pytest.fixture(autouse=True)
def clean():
    yield
    for kind, name in list(registry._PARTS):
        if registry.origin(kind, name):
            del registry._PARTS[kind, name]
    registry._HOMES.clear()


def kitchens(out: Path, **changes: Any) -> TrainConfig:
    """Two steps of a tiny acting world."""
    return recipe(
        "plain", env={"name": "kitchen:Kitchens"}, policy={"name": "pointer", "max_new_tokens": 6}, steps=1,
        memory={"token_budget": 24, "read_budget": 24, "embedder": "hash"}, out=str(out), evaluation={"episodes": 3},
        rollout={"tasks": 1, "group_size": 2}, **changes,
    )  # fmt: skip


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


# What an environment shows


class One:
    """One question; what it shows and says can be put in."""

    def __init__(self, task: Task, seen: dict[str, Any], verdict: dict[str, Any]) -> None:
        self.seen, self.verdict, self.seed = seen, verdict, task.seed

    def start(self) -> Observation:
        given = {"id": "o0", "step": 0, "content": f"what of {self.seed}?", "wants_action": True, "writable": False}
        return Observation(**{**given, **self.seen})

    def step(self, action) -> Outcome:
        score = float(action == Say("yes"))
        return Outcome(score, None, Verdict(**{"score": score, "expected": "yes", "category": "one", **self.verdict}))


class Ones:
    name = "ones"

    def __init__(self, **put: Any) -> None:
        self.verdict = {name: put.pop(name) for name in ("score", "category") if name in put}
        self.seen = put

    def make(self, task: Task) -> One:
        return One(task, self.seen, self.verdict)

    def cells(self):
        return ["all"]

    def train(self, cell, seed):
        return Task(env="ones", theta=None, seed=2 * seed, cell="all")

    def held_out(self, seed):
        return Task(env="ones", theta=None, seed=2 * seed + 1, split="eval")


@pytest.mark.parametrize(
    ("put", "told"),
    [
        ({"id": 0}, "the observation id 0 is no text"),
        ({"step": np.int64(0)}, r"the step of observation 'o0' is np.int64\(0\), a int64: it must be an int"),
        ({"step": 10**30}, "at most 64 bits"),
        ({"content": "half \ud800"}, "half of a surrogate pair"),
        ({"source": 3}, "the source of observation 'o0' is 3"),
        ({"time": float("nan")}, "the time of observation 'o0' is nan"),
        ({"choices": ["a"]}, r"the choices of observation 'o0' are \['a'\]: give a tuple of texts"),
        ({"choices": ("a", "a")}, "name one twice"),
        ({"category": ["a"]}, r"the verdict's category is \['a'\], which is no text"),
        ({"score": torch.tensor(1.0)}, "a Tensor and no float"),
    ],
)
def test_what_an_environment_may_not_show(put: dict[str, Any], told: str) -> None:
    check_env(Ones())
    with pytest.raises(AssertionError, match=told):
        check_env(Ones(**put))


class Shared(Ones):
    """One environment for all tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.one: Any = None

    def make(self, task: Task) -> One:
        self.one = self.one or One(task, {}, {})
        self.one.seed = task.seed
        return self.one


class Fixed(Ones):
    def held_out(self, seed):
        return super().held_out(0)


class Cells(Ones):
    def cells(self):
        return "all"


class Nothing(Ones):
    def make(self, task):
        return None


class Peeking(Ones):
    passive = True

    def make(self, task: Task) -> Any:
        return _Peeking(task, {}, {})


class _Peeking(One):
    asked = False

    def step(self, action) -> Outcome:
        if self.asked:
            return Outcome(0.0, None)
        self.asked = True
        told = "well done" if action == Say("nonsense") else "go on"
        return Outcome(0.0, Observation(id="o1", step=1, content=told))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Shared, "side by side"),
        (Fixed, r"held_out\(seed\) must give other tasks for other seeds"),
        (Cells, r"cells\(\) must be a list or a tuple"),
        (Nothing, r"make\(\) gave a NoneType, which has no start\(\)"),
        (Peeking, "a passive source must show the same whatever is done"),
    ],
)
def test_what_a_source_may_not_do(source: Any, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        check_env(source())


def test_our_own_kitchen_passes() -> None:
    check_env(Kitchens())


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


# A curriculum


class Odd:
    """Draws what it is told to."""

    def __init__(self, context: Any, give: Any, tell: Any) -> None:
        self._source, self._give, self._tell = context.task_source, give, tell

    def draw(self, count):
        return self._give(self._source, count)

    def observe(self, groups, lessons=()) -> None:
        """Nothing."""

    def auxiliary_losses(self):
        return []

    def metrics(self):
        return self._tell

    def state_dict(self):
        return {}

    def load_state_dict(self, state) -> None:
        """Nothing."""


def trained(source: Any, count: int) -> list[Task]:
    return [source.train(source.cells()[-1], n) for n in range(count)]


@pytest.mark.parametrize(
    ("give", "tell", "told"),
    [
        (lambda source, count: [source.held_out(0)] * count, {}, "a task of the evaluation split"),
        (lambda source, count: trained(source, count + 1), {}, r"draw\(1\) gave 2 tasks"),
        (lambda source, count: ["task"] * count, {}, "'task', which is no Task"),
        (lambda source, count: None, {}, r"draw\(\) gave a NoneType, not a list"),
        (trained, {"success": 99.0}, "metrics\\(\\) tells 'success', which is the run's own"),
        (trained, {"odd": "x"}, "'odd': 'x', where a finite number is expected"),
        (trained, None, r"metrics\(\) gave a NoneType"),
    ],
)
def test_a_curriculum_that_breaks_its_contract_is_told(give: Any, tell: Any, told: str, tmp_path: Path) -> None:
    memrl.register("curriculum", "odd", lambda context: Odd(context, give, tell))
    with pytest.raises(ConfigError, match=f"curriculum.name = 'odd': it breaks its contract: .*{told}"):
        train(kitchens(tmp_path / "run", curriculum={"name": "odd"}))


def test_a_curriculum_of_others_that_keeps_its_contract_trains(tmp_path: Path) -> None:
    memrl.register("curriculum", "even", lambda context: Odd(context, trained, {"drawn": 1.0}))
    run = train(kitchens(tmp_path / "run", curriculum={"name": "even"}))
    assert '"drawn": 1.0' in (run / "metrics.jsonl").read_text()
