"""Metrics reach every sink that is named; a sink that fails does not take the run with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_runs import Killed, play

import memrl
from memrl.contracts import registry
from memrl.contracts.contexts import SinkContext
from memrl.contracts.errors import ConfigError, MissingExtra
from memrl.recipes import recipe
from memrl.training.run_folder import Run, read_metrics

VALUES = [0.1, 0.2, 0.3, 0.4]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesOptions:
    fail_at: int = 0


class Lines:
    """Somebody's own sink: a file of lines, which may fail at a step."""

    def __init__(self, context: SinkContext, options: LinesOptions) -> None:
        self.path, self.fail_at = context.folder.parent / "lines.jsonl", options.fail_at

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == self.fail_at:
            raise OSError("the other end\nhung up")
        self._write({"step": step, **metrics})

    def close(self) -> None:
        self._write({"closed": True})

    def _write(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """For each test anew: other files clear away what is not memrl's own."""
    memrl.register("sink", "lines_of_the_test", Lines, LinesOptions)
    yield
    registry._PARTS.pop(("sink", "lines_of_the_test"), None)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]


def sink(**options: Any) -> dict[str, Any]:
    return {"logging": {"sinks": ["lines_of_the_test"], "options": {"lines_of_the_test": options}}}


def test_a_sink_hears_every_step_and_the_end_and_metrics_jsonl_stays_the_same(tmp_path: Path):
    plain = play(tmp_path / "plain", VALUES)
    told = play(tmp_path / "told", VALUES, **sink())
    assert (told / "metrics.jsonl").read_bytes() == (plain / "metrics.jsonl").read_bytes()
    assert [line.get("step") for line in lines(tmp_path)] == [1, 2, 3, 4, None]
    assert lines(tmp_path)[1] == {"step": 2, "success": 0.2, "loss": -0.2} and lines(tmp_path)[-1] == {"closed": True}


def test_a_sink_that_fails_is_told_once_and_the_run_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = play(tmp_path / "run", VALUES, **sink(fail_at=2))
    assert len(read_metrics(folder)) == 4 and [line["step"] for line in lines(tmp_path)] == [1]
    said = capsys.readouterr().err.replace("\n", " ")
    assert said.count("is switched off (OSError: the other end hung up)") == 1


def test_numbers_that_are_not_finite_are_not_told(tmp_path: Path):
    with Run.open(recipe("tiny", out=str(tmp_path / "run"), steps=1, **sink())) as run:
        for step in run.steps():
            run.log(step, {"a": float("nan"), "b": 1.0})
    assert lines(tmp_path)[0] == {"step": 1, "b": 1.0}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"sinks": ["lines"]}, r"logging.sinks = 'lines': .*tensorboard"),
        ({"options": {"wandb": {}}}, r"logging.options = .*: wandb is none of logging.sinks"),
        ({"sinks": ["wandb", "wandb"]}, r"logging.sinks = .*: wandb stands twice"),
        ({"sinks": ["lines_of_the_test"], "options": {"lines_of_the_test": {"fail": 1}}},
         r"logging.options.lines_of_the_test.fail = 1: .* no such option"),
    ],
)  # fmt: skip
def test_a_sink_that_cannot_be_is_refused_before_training_and_leaves_no_folder(
    tmp_path: Path, knobs: Any, message: str
):
    with pytest.raises(ConfigError, match=message):
        play(tmp_path / "run", VALUES, logging=knobs)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_package_that_is_not_there_names_its_own_cure(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    # None in sys.modules is how Python marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard" if name == "tensorboard" else name, None)
    with pytest.raises(MissingExtra, match=rf"logging.sinks = '{name}': .*; pip install 'memrl\[{name}\]'"):
        play(tmp_path / "run", VALUES, logging={"sinks": [name]})
    assert not (tmp_path / "run").exists()


def test_tensorboard_reads_what_was_logged_and_a_resumed_run_hides_what_it_plays_again(tmp_path: Path):
    pytest.importorskip("tensorboard", reason="the extra memrl[tensorboard] is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(Killed):
        play(tmp_path / "run", VALUES, die_at=3, logging={"sinks": ["tensorboard"]})
    play(tmp_path / "run", VALUES, resume=True, logging={"sinks": ["tensorboard"]})
    read = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    read.Reload()
    events = [(event.step, event.value) for event in read.Scalars("success")]
    assert events == [(step, pytest.approx(value)) for step, value in enumerate(VALUES, 1)]
