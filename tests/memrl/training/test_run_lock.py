"""One process at a time in a run folder (T7); other steps than before (T8, T9)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import forked
import pytest
import torch
from small_runs import Killed, Part, play

from memrl.contracts.errors import ConfigError, RunFolderError
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.checkpoints import checkpoint_files, read_state
from memrl.training.learner import falling
from memrl.training.run_folder import Run, load_config, read_metrics

HOLDER = """
import sys, time
from memrl.training.run_folder import Run, load_config
folder = sys.argv[1]
with Run.open(load_config(folder), folder) as run:
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with pytest.raises(Killed):
        play(tmp_path / "run", [0.1, 0.2, 0.3, 0.4], die_at=3)
    return tmp_path / "run"


def holder(folder: Path) -> forked.Forked:
    """Another process that has the run open."""
    process = forked.start(folder, code=HOLDER)
    assert process.lines(1) == ["open"]
    return process


def test_a_run_that_another_process_has_open_is_refused_until_that_one_is_gone(folder: Path):
    before = (folder / "config.json").read_bytes()
    process = holder(folder)
    with pytest.raises(RunFolderError, match=rf"a process trains there now \(id {process.pid}\); wait"):
        play(folder, [0.1, 0.2, 0.3, 0.4], resume=True)
    assert (folder / "config.json").read_bytes() == before and len(read_metrics(folder)) == 3
    process.kill()
    process.wait()
    play(folder, [0.1, 0.2, 0.3, 0.4], resume=True)
    assert len(read_metrics(folder)) == 4


def test_the_second_resume_ends_with_code_2_and_one_line(folder: Path):
    process = holder(folder)
    try:
        second = forked.run("train", "--resume", folder, module="memrl.cli.main")
    finally:
        process.kill()
        process.wait()
    assert second.returncode == 2 and second.stdout == ""
    assert second.stderr.startswith("memrl: run folder") and second.stderr.count("\n") == 1


def test_a_lock_is_released_when_a_run_ends_fails_or_is_refused(folder: Path):
    with pytest.raises(RunFolderError, match=r"policy\.lora_rank was \d+ and is 1 now; a resumed run may change only"):
        Run.open(recipe("tiny", steps=4, policy={"lora_rank": 1}), folder)
    with pytest.raises(Killed):
        play(folder, [0.1, 0.2, 0.3, 0.4], resume=True, die_at=4)
    play(folder, [0.1, 0.2, 0.3, 0.4], resume=True)
    assert len(read_metrics(folder)) == 4


def test_two_new_runs_of_one_name_do_not_share_a_folder(tmp_path: Path):
    first = Run.open(recipe("tiny", out=str(tmp_path / "run")))
    with pytest.raises(RunFolderError, match="holds a run already"):
        Run.open(recipe("tiny", out=str(tmp_path / "run")))
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(RunFolderError, match="a process trains there now"):
        Run.open(recipe("tiny", out=str(tmp_path / "run")))
    assert first.folder.exists()


def test_a_run_that_cannot_begin_leaves_no_folder_whatever_stopped_it(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), Run.open(recipe("tiny", out=str(tmp_path / "run"))):
        raise ZeroDivisionError
    assert not (tmp_path / "run").exists()


def test_fewer_steps_than_are_done_are_refused(tmp_path: Path):
    folder = play(tmp_path / "run", [0.1, 0.2, 0.3, 0.4])
    before = (folder / "config.json").read_bytes()
    with pytest.raises(ConfigError, match=r"steps = 2: run folder .* has done 4 steps already"):
        play(folder, [0.1, 0.2], resume=True)
    assert (folder / "config.json").read_bytes() == before
    assert json.loads((folder / "done.json").read_text()) == {"steps": 4}


def test_fewer_steps_than_planned_but_not_than_done_are_fine(folder: Path):
    play(folder, [0.1, 0.2, 0.3], resume=True)
    assert (load_config(folder).steps, load_config(folder).planned_steps) == (3, 4)
    assert json.loads((folder / "done.json").read_text()) == {"steps": 3}


def test_a_config_claims_no_steps_that_a_failed_resume_asked_for(folder: Path):
    for path in checkpoint_files(folder / "checkpoints"):
        path.write_bytes(b"")
    with pytest.raises(RunFolderError, match="none of its checkpoints can be read"):
        play(folder, [0.1] * 9, resume=True)
    assert load_config(folder).steps == 4


def test_a_run_resumed_with_more_steps_keeps_its_learning_rates(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    knobs = {
        "warm_start": {"steps": 0}, "rollout": {"tasks": 0, "practice_tasks": 1, "group_size": 2},
        "learner": {"decay_from": 0.5, "rereads": 0}, "policy": {"trained": False},
    }  # fmt: skip
    folder = train(recipe("tiny", out=str(tmp_path / "run"), steps=4, **knobs))
    start = recipe("tiny").learner.controller_learning_rate

    def rate() -> float:
        state = read_state(checkpoint_files(folder / "checkpoints")[0])["parts"]["learner"]
        return state["optimizer"]["param_groups"][0]["lr"] / start

    assert rate() == pytest.approx(0.5)  # Set before the fourth of four updates: (1 - 3/4) / (1 - 0.5).
    train(recipe("tiny", out=str(folder), steps=6, **knobs), resume=folder)
    assert rate() == pytest.approx(0.05)
    assert (load_config(folder).steps, load_config(folder).schedule_steps) == (6, 4)
    assert "6 steps, by the learning rates and curriculum planned for 4" in capsys.readouterr().err.replace("\n", " ")
    train(recipe("tiny", out=str(folder), steps=8, schedule_steps=8, **knobs), resume=folder)
    assert rate() == pytest.approx(falling(7, 8, 0.5))


def test_the_process_in_a_lock_file_is_the_one_that_holds_it(tmp_path: Path):
    with Run.open(recipe("tiny", out=str(tmp_path / "run"), steps=1)) as run:
        assert (run.folder / ".lock").read_text() == f"{os.getpid()}\n"
        run.restore(part=Part())
        for step in run.steps():
            run.log(step, {"value": float(torch.ones(1))})
