"""What environments of others may show, and curricula draw: told by the kit, and where it happens, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kitchen import Kitchens
from small_worlds import forget_parts, kitchens

import memrl
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Outcome
from memrl.contracts.types import Observation, Say, Task, Verdict
from memrl.testing import check_env
from memrl.train import train


@pytest.fixture(autouse=True)
def clean():
    yield
    forget_parts()


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
