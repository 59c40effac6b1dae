"""Faults, each injected: it ends its own episode or raises one clear error, and the metrics count it."""

from __future__ import annotations

import json
import logging
import resource
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy import TASK, Echo, Taker, ToyEnv, ToyTasks, toy_agent

from memory_stores.types import Write
from memrl.advantages.credit import give_credit
from memrl.contracts.config import CreditConfig, LearnerConfig, RolloutConfig
from memrl.contracts.errors import ConfigError, InputError, StorageError, TrainingError
from memrl.contracts.protocols import Outcome
from memrl.contracts.types import End, Group, Observation, Task, Verdict
from memrl.recipes import recipe
from memrl.reporting.metrics import summarise
from memrl.rollouts.guards import EnvFailed, EnvGuard
from memrl.rollouts.scheduler import play as play_tasks
from memrl.training.batch import Batch, OpBatch, make_batch
from memrl.training.checkpoints import read_state, write_checkpoint
from memrl.training.learner import Learner
from memrl.training.run_folder import Run, is_finished

STORY = ("Ana put the lantern in the attic.", "It rained all day.", "Is the lantern in the attic?")

Fault = Callable[[Outcome], Any]


class Faulty(ToyEnv):
    """A toy world whose second answer is spoilt."""

    def __init__(self, task: Task, fault: Fault, at: int) -> None:
        super().__init__(task, STORY)
        self._fault, self._spoilt = fault, at

    def step(self, action: Any) -> Outcome:
        step, outcome = self._at, super().step(action)
        return self._fault(outcome) if step == self._spoilt else outcome


@dataclass
class FaultyFamily(ToyTasks):
    """Every ``among``-th of four episodes is spoilt at step ``at``, but not when told again with its answers."""

    fault: Fault = lambda outcome: outcome
    at: int = 1
    among: int = 1
    made: int = 0

    def make(self, task: Task) -> ToyEnv:
        self.made += 1
        spoilt = self.made <= 4 and (self.made - 1) % self.among == 0
        return Faulty(task, self.fault, self.at if spoilt else -1)


def play(fault: Fault, at: int = 1, among: int = 4, **changes: Any) -> Group:
    """Four siblings, of which the first meets the fault."""
    source = FaultyFamily(STORY, fault=fault, at=at, among=among)
    [group] = play_tasks(toy_agent(source, Taker(Write), **changes), [TASK], [0], tries=4)
    return group


def observation(**changes: Any) -> Observation:
    return replace(Observation(id="new", step=9, content="It snowed."), **changes)


def loud(outcome: Outcome) -> Outcome:
    raise OSError("the wheel came off")


VERDICT = Verdict(score=1.0, expected="yes", category="toy")

NONSENSE: dict[str, tuple[Fault, int, str]] = {
    "it raises": (loud, 1, "OSError: the wheel came off"),
    "no outcome": (lambda o: None, 1, "a NoneType, not an Outcome"),
    "a plain tuple": (lambda o: tuple(o), 1, "a tuple, not an Outcome"),
    "NaN reward": (lambda o: o._replace(reward=float("nan")), 1, "the reward is nan"),
    "infinite reward": (lambda o: o._replace(reward=float("-inf")), 1, "the reward is -inf"),
    "a reward that is no number": (lambda o: o._replace(reward="high"), 1, "the reward is 'high', not a finite number"),
    "a score above 1": (lambda o: o._replace(verdict=replace(VERDICT, score=1.5)), 2, "score is 1.5, outside"),
    "a score that is NaN": (lambda o: o._replace(verdict=replace(VERDICT, score=float("nan"))), 2, "score is nan"),
    "a verdict of another kind": (lambda o: o._replace(verdict=1.0), 2, "a float, not a Verdict"),
    "a verdict without an action": (lambda o: o._replace(verdict=VERDICT), 1, "where no action was wanted"),
    "success above 1": (lambda o: o._replace(success=1.5), 2, "the success is 1.5, outside"),
    "success before the end": (lambda o: o._replace(success=1.0), 1, "came before the ending"),
    "an observation of another kind": (lambda o: o._replace(next="It snowed."), 1, "a str, not an Observation"),
    "a repeated id": (lambda o: o._replace(next=observation(id="o0")), 1, "id 'o0' came twice"),
    "an id that cannot be looked up": (lambda o: o._replace(next=observation(id=[])), 1, "id [] is no text"),
    "a clock that stands still": (lambda o: o._replace(next=observation(step=1)), 1, "is of step 1, after step 1"),
    "a clock that goes back": (lambda o: o._replace(next=observation(step=0)), 1, "is of step 0, after step 1"),
    "a text that is none": (lambda o: o._replace(next=observation(content=None)), 1, "'new' is a NoneType"),
    "a part that is none": (lambda o: o._replace(next=observation(content=("It snowed.",))), 1, "neither a Text nor"),
    "no parts": (lambda o: o._replace(next=observation(content=())), 1, "content of observation 'new'"),
    "trust that is NaN": (lambda o: o._replace(next=observation(trust=float("nan"))), 1, "is nan, outside"),
    "an action asked of nobody": (lambda o: o._replace(next=observation(to="memory")), 1, "name a policy"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_ends_its_own_episode_and_is_counted(name: str):
    fault, at, said = NONSENSE[name]
    group = play(fault, at)
    assert [e.end for e in group.episodes] == [End.ENV_ERROR, End.DONE, End.DONE, End.DONE]
    assert said in group.episodes[0].error
    assert [e.success for e in group.usable] == [1.0, 1.0, 1.0]
    metrics = summarise([group])
    assert (metrics["env_errors"], metrics["dropped_groups"], metrics["success"]) == (1.0, 0.0, 1.0)


def test_what_an_environment_said_is_told_once_a_call(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="memrl"):
        play(loud, among=2)
    [record] = caplog.records
    assert record.getMessage() == (
        "2 of 4 episodes ended with an environment's error, 2 of them with: OSError: the wheel came off"
    )


@pytest.mark.parametrize("method", ["make", "start"])
def test_an_environment_that_cannot_begin_ends_its_own_episode(method: str):
    class Broken(ToyTasks):
        def make(self, task: Task) -> ToyEnv:
            if method == "make":
                raise OSError("no such world")
            return ToyEnv(task, ())

    [group] = play_tasks(toy_agent(Broken(STORY), Taker(Write)), [TASK], [0], tries=2)
    assert all(e.end is End.ENV_ERROR and e.steps == () for e in group.episodes)
    assert summarise([group])["env_errors"] == 2.0


def test_an_environment_that_hangs_ends_its_own_episode():
    release = threading.Event()

    def hang(outcome: Outcome) -> Outcome:
        release.wait(30)
        return outcome

    group = play(hang, env_seconds=0.05)
    assert not release.is_set()  # it was given up while it still hung
    release.set()
    assert [e.end for e in group.episodes] == [End.ENV_ERROR, End.DONE, End.DONE, End.DONE]
    assert group.episodes[0].error == "step() took longer than 0.05 s (rollout.env_seconds)"


def test_a_time_limit_that_nobody_meets_changes_nothing():
    free, limited = play(lambda o: o), play(lambda o: o, env_seconds=30.0)
    assert [e.success for e in free.episodes] == [e.success for e in limited.episodes]
    assert play(loud, env_seconds=30.0).episodes[0].error == "OSError: the wheel came off"


def test_a_time_limit_below_zero_is_refused():
    with pytest.raises(ConfigError, match=r"rollout.env_seconds = -1"):
        RolloutConfig(env_seconds=-1)


def test_an_episode_that_never_ends_is_cut_off_and_counted():
    class Forever(ToyEnv):
        def step(self, action: Any) -> Outcome:
            self._at += 1
            return Outcome(0.0, observation(id=f"o{self._at}", step=self._at))

    class ForeverFamily(ToyTasks):
        def make(self, task: Task) -> ToyEnv:
            return Forever(task, STORY)

    [group] = play_tasks(toy_agent(ForeverFamily(STORY), Taker(), step_limit=50), [TASK], [0], tries=2)
    assert [len(e.steps) for e in group.episodes] == [50, 50]
    assert summarise([group])["step_limits"] == 2.0


def test_a_group_whose_siblings_all_fail_drops_out_and_is_counted():
    lost, sound = play(loud, among=1), play(lambda o: o)
    metrics = summarise([lost, sound])
    assert (metrics["env_errors"], metrics["dropped_groups"], metrics["episodes"]) == (4.0, 1.0, 8.0)
    agent = toy_agent(ToyTasks(STORY), Taker())
    assert [c.episode for c in give_credit([lost, sound], CreditConfig(), agent)] == list(sound.episodes)


def test_a_step_in_which_everything_fails_teaches_nothing_and_goes_on():
    lost = play(loud, at=0, among=1)
    assert "success" not in summarise([lost])
    scorer = Weights()
    update = learner(scorer).update(make_batch(give_credit([lost], CreditConfig(), toy_agent(ToyTasks(STORY), scorer))))
    assert update["op_decisions"] == 0.0 and scorer.weight.tolist() == [1.0]


def test_a_policy_that_raises_stops_the_run_and_is_not_taken_for_the_environment():
    class Broken(Echo):
        def sample(self, requests: Sequence[Any]) -> Any:
            raise RuntimeError("out of memory")

    agent = toy_agent(ToyTasks(STORY), Taker(Write), policy=Broken())
    with pytest.raises(RuntimeError, match="out of memory"):
        play_tasks(agent, [TASK], [0], tries=2)


class Weights:
    """A scorer of one weight, whose gradient is what the test wants."""

    version = 0

    def __init__(self, slope: float = 1.0) -> None:
        self.weight = torch.nn.Parameter(torch.ones(1))
        self._slope = slope

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        return iter([self.weight])

    def logprobs(self, rows_N3: Any, numbers_NF: Any, counts_D: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = torch.stack([self.weight * self._slope, -self.weight], dim=1).expand(len(counts_D), 2)
        return scores.log_softmax(dim=1), torch.ones(len(counts_D), 2, dtype=torch.bool)

    def bump(self) -> None:
        self.version += 1


def learner(scorer: Weights, **knobs: Any) -> Learner:
    return Learner({}, scorer, LearnerConfig(epochs=1, minibatches=1, **knobs))


def sound_batch() -> Batch:
    group = play(lambda o: o)
    return make_batch(give_credit([group], CreditConfig(), toy_agent(ToyTasks(STORY), Taker())))


def test_a_gradient_that_is_not_finite_is_skipped_and_counted():
    batch, scorer = sound_batch(), Weights(slope=float("inf"))
    assert isinstance(batch.ops, OpBatch)
    told = learner(scorer).update(batch)
    assert told["skipped_updates"] == 1.0
    assert scorer.weight.tolist() == [1.0] and scorer.version == 0
    assert learner(Weights()).update(batch)["skipped_updates"] == 0.0


def test_so_many_skips_in_a_row_end_the_run_with_the_way_out():
    batch, scorer = sound_batch(), Weights(slope=float("inf"))
    student = learner(scorer, max_skips=3)
    for _ in range(2):
        student.update(batch)
    scorer._slope = 1.0
    assert student.update(batch)["skipped_updates"] == 0.0  # a sound one between: the count begins anew
    scorer._slope = float("inf")
    for _ in range(2):
        student.update(batch)
    weight = scorer.weight.tolist()
    with pytest.raises(TrainingError, match=r"learner.max_skips = 3: .* of controller; .*resume from the last"):
        student.update(batch)
    assert scorer.weight.tolist() == weight and issubclass(TrainingError, InputError)


class Kept(Weights):
    """Weights that a checkpoint holds."""

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight.detach().clone()}

    def load_state_dict(self, state: Any) -> None:
        with torch.no_grad():
            self.weight.copy_(state["weight"])


def read_metrics(folder: Path) -> bytes:
    return (folder / "metrics.jsonl").read_bytes()


def told_of(metrics: bytes) -> list[float]:
    return [json.loads(line)["weight"] for line in metrics.splitlines()]


def train_with(folder: Path, resume: bool = False, broken_from: int = 99) -> bytes:
    """Six updates, of which those from ``broken_from`` on meet an infinite slope."""
    batch, scorer = sound_batch(), Kept()
    student = learner(scorer, max_skips=2)
    config = recipe("tiny", out=str(folder), steps=6, checkpoint_every=1)
    with Run.open(config, folder if resume else None) as run:
        run.restore(scorer=scorer, learner=student)
        for step in run.steps():
            scorer._slope = float("inf") if step >= broken_from else 1.0
            run.log(step, student.update(batch) | {"weight": float(scorer.weight.detach())})
            run.checkpoint(step, scorer=scorer, learner=student)
    return read_metrics(folder)


def test_a_run_that_ended_of_its_gradients_goes_on_from_an_intact_checkpoint(tmp_path: Path):
    train_with(tmp_path / "whole")
    with pytest.raises(TrainingError):
        train_with(tmp_path / "run", broken_from=3)
    # Skipped at 3, ended at 4. Resumed, it has as many skips again: skipped at 4, ended at 5.
    with pytest.raises(TrainingError):
        train_with(tmp_path / "run", resume=True, broken_from=3)
    weights, whole = told_of(train_with(tmp_path / "run", resume=True)), told_of(read_metrics(tmp_path / "whole"))
    # Two updates were skipped and nothing else was lost.
    assert weights == [*whole[:2], whole[1], whole[1], *whole[2:4]]
    assert is_finished(tmp_path / "run")


def test_an_environment_is_held_to_its_promises_from_the_first_observation_on():
    class Silent(ToyEnv):
        def start(self) -> Any:
            return None

    with pytest.raises(EnvFailed, match="a NoneType, not an Observation"):
        EnvGuard(lambda task: Silent(task, STORY), TASK).start()


class Part:
    """State of about 80 kB."""

    def __init__(self) -> None:
        self.value = torch.zeros(20_000)

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state: Any) -> None:
        self.value = state["value"].clone()


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def run(folder: Path, resume: bool = False, full_at: int = 0) -> bytes:
    part = Part()
    config = recipe("tiny", out=str(folder), steps=4, checkpoint_every=1)
    with Run.open(config, folder if resume else None) as run:
        run.restore(part=part)
        for step in run.steps():
            part.value += torch.randn(20_000)
            run.log(step, {"value": float(part.value.sum())})
            with files_end_at(30_000 if step == full_at else resource.RLIM_INFINITY):
                run.checkpoint(step, part=part)
    return (folder / "metrics.jsonl").read_bytes()


def test_a_disk_that_is_full_at_a_checkpoint_leaves_the_one_before_and_the_run_goes_on_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    whole = run(tmp_path / "whole")
    with pytest.raises(StorageError, match=r"step-000003.pt cannot be written \(.+\): make room") as caught:
        run(tmp_path / "run", full_at=3)
    assert isinstance(caught.value, InputError)
    assert "goes on" in capsys.readouterr().err
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-000001.pt", "step-000002.pt"]
    assert run(tmp_path / "run", resume=True) == whole and is_finished(tmp_path / "run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full_at_a_line_of_metrics_is_one_clear_error(tmp_path: Path):
    with Run.open(recipe("tiny", out=str(tmp_path / "run"))) as run:
        (tmp_path / "run" / "metrics.jsonl").symlink_to("/dev/full")
        with pytest.raises(StorageError, match=r"metrics.jsonl cannot be written \(No space left on device\)"):
            run.log(1, {"success": 0.5})


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/run cannot be written \(Not a directory\)"):
        Run.open(recipe("tiny", out=str(tmp_path / "file" / "run")))


def test_a_full_disk_leaves_the_older_file_of_the_same_name(tmp_path: Path):
    path = write_checkpoint(tmp_path, 1, {"value": np.ones(3)})
    with pytest.raises(StorageError), files_end_at(30_000):
        write_checkpoint(tmp_path, 1, {"value": np.zeros(20_000)})
    assert read_state(path)["value"].tolist() == [1.0, 1.0, 1.0]
    assert [left.name for left in tmp_path.iterdir()] == [path.name]
