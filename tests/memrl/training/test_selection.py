"""The best checkpoint stays, a run that stands still ends, and both go through a kill."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from small_runs import Killed, play

from memrl.contracts.errors import ConfigError, RunFolderError
from memrl.contracts.run_config import CheckpointsConfig, EarlyStopConfig
from memrl.training.run_folder import done_early, is_finished, load_run, read_metrics
from memrl.training.selection import Selection


def saved(folder: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in (folder / "checkpoints").iterdir())


def step_in(folder: Path, which: Any) -> float:
    return load_run(folder, which).checkpoint["part"]["step"].item()


def test_the_best_checkpoint_stays_beside_the_newest(tmp_path: Path):
    folder = play(tmp_path / "run", [0.1, 0.9, 0.3, 0.2, 0.9])
    assert saved(folder) == [2, 4, 5]
    assert (step_in(folder, "best"), step_in(folder, "last")) == (2, 5)


@pytest.mark.parametrize(
    ("knobs", "steps", "best"),
    [
        ({"keep_last": 1}, [2, 5], 2),
        ({"keep_last": 3, "keep_best": None}, [3, 4, 5], None),
        ({"keep_best": "loss", "mode": "min"}, [2, 4, 5], 2),
        ({"keep_best": "loss"}, [1, 4, 5], 1),
    ],
)
def test_how_many_stay_and_by_which_metric_is_a_knob(tmp_path: Path, knobs: Any, steps: list[int], best: int | None):
    folder = play(tmp_path / "run", [0.1, 0.9, 0.3, 0.2, 0.4], checkpoints=knobs)
    assert saved(folder) == steps
    if best is None:
        with pytest.raises(RunFolderError, match=r"kept none \(checkpoints.keep_best\); take the last"):
            load_run(folder, "best")
    else:
        assert step_in(folder, "best") == best


def test_the_best_is_judged_by_the_mean_since_the_checkpoint_before(tmp_path: Path):
    folder = play(tmp_path / "run", [0.5, 0.5, 0.9, 0.0, 0.4, 0.4, 0.1, 0.1], checkpoint_every=2)
    assert saved(folder) == [2, 6, 8] and step_in(folder, "best") == 2


def test_success_falls_back_to_that_of_practice():
    selection = Selection(CheckpointsConfig(), EarlyStopConfig())
    selection.observe({"practice_success": 0.5})
    selection.mark(1)
    assert selection.best_step == 1
    selection.observe({"practice_success": 0.4})
    selection.mark(2)
    assert selection.best_step == 1


def test_values_that_are_missing_or_not_finite_are_no_news():
    selection = Selection(CheckpointsConfig(), EarlyStopConfig(metric="success", patience=1))
    for metrics in ({}, {"success": math.nan}, {"success": math.inf}):
        selection.observe(metrics)
        selection.mark(1)
    assert selection.best_step is None and not selection.stopped


def test_a_run_that_stands_still_ends_with_a_checkpoint_and_says_why(tmp_path: Path, capsys):
    stop = {"metric": "success", "patience": 2, "min_delta": 0.05}
    folder = play(tmp_path / "run", [0.1, 0.5, 0.54, 0.5, 0.9, 0.9], early_stop=stop, checkpoint_every=10)
    assert [line["step"] for line in read_metrics(folder)] == [1, 2, 3, 4] and saved(folder) == [4]
    why = "success has not risen above 0.5 for 2 steps"
    assert json.loads((folder / "done.json").read_text()) == {"steps": 4, "stopped": why}
    assert is_finished(folder) and done_early(folder) == why
    assert f"ended after step 4 of 6: {why}" in capsys.readouterr().err.replace("\n", " ")


def test_a_metric_that_should_fall_is_followed_down():
    selection = Selection(CheckpointsConfig(), EarlyStopConfig(metric="loss", mode="min", patience=2))
    for loss in (3.0, 2.0, 2.5):
        selection.observe({"loss": loss})
    assert not selection.stopped
    selection.observe({"loss": 2.0})
    assert selection.stopped == "loss has not fallen below 2 for 2 steps"


@pytest.mark.parametrize("die_at", [2, 3, 4])
def test_a_killed_run_ends_and_keeps_as_one_that_nobody_touched(tmp_path: Path, die_at: int):
    values = [0.1, 0.8, 0.2, 0.3, 0.3, 0.3, 0.9]
    knobs = {"early_stop": {"metric": "success", "patience": 4}, "checkpoint_every": 2}
    whole = play(tmp_path / "whole", values, **knobs)
    with pytest.raises(Killed):
        play(tmp_path / "run", values, die_at=die_at, **knobs)
    again = play(tmp_path / "run", values, resume=True, **knobs)
    assert (again / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert len(read_metrics(again)) == 6 and saved(again) == saved(whole)
    assert step_in(again, "best") == step_in(whole, "best") == 2


def test_a_run_that_ended_early_goes_on_only_with_more_patience(tmp_path: Path):
    values = [0.5, 0.1, 0.1, 0.1]
    play(tmp_path / "run", values, early_stop={"metric": "success", "patience": 1})
    play(tmp_path / "run", values, resume=True, early_stop={"metric": "success", "patience": 1})
    assert len(read_metrics(tmp_path / "run")) == 2
    play(tmp_path / "run", values, resume=True, early_stop={"metric": "success", "patience": 9})
    assert len(read_metrics(tmp_path / "run")) == 4 and not done_early(tmp_path / "run")


def test_a_best_checkpoint_that_is_gone_or_damaged_is_told(tmp_path: Path):
    folder = play(tmp_path / "run", [0.9, 0.1, 0.1])
    best = folder / "checkpoints" / "step-000001.pt"
    best.write_bytes(b"")
    with pytest.raises(RunFolderError, match=r"step-000001.pt cannot be read .* take the last checkpoint"):
        load_run(folder, "best")
    best.unlink()
    with pytest.raises(RunFolderError, match="that of step 1 is gone; take the last"):
        load_run(folder, "best")
    play(folder, [0.9, 0.1, 0.1, 0.2], resume=True)
    assert step_in(folder, "best") == 4


def test_another_word_than_last_and_best_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="checkpoint = 'first': it is none of last, best"):
        load_run(tmp_path, "first")  # pyright: ignore[reportArgumentType]


def test_what_was_practised_is_not_compared_with_what_the_policy_does_later():
    selection = Selection(CheckpointsConfig(), EarlyStopConfig(metric="success", patience=2))
    for step, told in enumerate([{"practice_success": 0.5}, {"practice_success": 0.9}], 1):
        selection.observe(told)
        selection.mark(step)
    assert selection.best_step == 2
    selection.observe({"practice_success": 0.9, "success": 0.1})
    selection.mark(3)
    assert selection.best_step == 3
    resumed = Selection(CheckpointsConfig(), EarlyStopConfig(metric="success", patience=2))
    resumed.load_state_dict(selection.state_dict())
    for one in (selection, resumed):
        one.observe({"practice_success": 1.0})  # no news: the policy did not play
        one.observe({"practice_success": 0.9, "success": 0.2})
        one.mark(4)
        assert one.best_step == 4 and not one.stopped
        one.observe({"success": 0.2})
        one.observe({"success": 0.1})
        assert "success has not risen above 0.2 for 2 steps" in one.stopped
