"""The run folder: nothing is overwritten, equal seeds give equal bytes, an interrupted run goes on as if it had not."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memrl.contracts.config import EvalConfig, TrainConfig
from memrl.contracts.config_io import config_from_dict, config_to_dict
from memrl.contracts.errors import ConfigError, InputError, RunFolderError
from memrl.recipes import RECIPES, recipe
from memrl.training.checkpoints import read_newest, write_checkpoint
from memrl.training.run_folder import Run, is_finished, is_run, load_config, load_run, read_metrics


class Walk:
    """A part whose every step draws from all three global generators and from its own."""

    def __init__(self) -> None:
        self.position = torch.zeros(2)
        self.counts = np.zeros(3, dtype=np.float32)
        self.own = np.random.default_rng(7)

    def step(self) -> float:
        self.position += torch.randn(2)
        self.counts[self.own.integers(3)] += random.random() + np.random.random()
        return float(self.position.sum()) + float(self.counts.sum())

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "counts": self.counts, "own": self.own.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.position, self.counts = state["position"].clone(), state["counts"].copy()
        self.own.bit_generator.state = state["own"]


class Crash(Exception):
    """Something that is nobody's input."""


def config_at(path: Path, **changes: Any) -> TrainConfig:
    return recipe("tiny", out=str(path), **{"steps": 6, "checkpoint_every": 2, **changes})


def play(config: TrainConfig, resume: Path | None = None, crash_after: int = 0) -> Path:
    """The page in small; ``crash_after`` a step is logged and before it is saved."""
    walk = Walk()
    with Run.open(config, resume) as run:
        run.restore(walk=walk)
        for step in run.steps():
            run.log(step, {"success": walk.step(), "count": step})
            if step == crash_after:
                raise Crash
            run.checkpoint(step, walk=walk)
    return run.folder


def metrics_bytes(folder: Path) -> bytes:
    return (folder / "metrics.jsonl").read_bytes()


def test_one_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path):
    a, b = play(config_at(tmp_path / "a")), play(config_at(tmp_path / "b"))
    c = play(config_at(tmp_path / "c", seed=1))
    assert metrics_bytes(a) == metrics_bytes(b) != metrics_bytes(c)
    assert [line["step"] for line in read_metrics(a)] == [1, 2, 3, 4, 5, 6]


def test_what_is_no_config_is_told():
    with pytest.raises(InputError, match=r"'smoke' is no config; make one: memrl\.recipe"):
        Run.open("smoke")  # pyright: ignore[reportArgumentType]


def test_metrics_hold_no_wall_times_and_timings_do(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    assert read_metrics(folder)[0].keys() == {"step", "success", "count"}
    first = json.loads((folder / "timings.jsonl").read_text().splitlines()[0])
    assert first.keys() == {"step", "seconds"} and first["seconds"] >= 0


def test_a_number_that_is_not_finite_is_written_as_null(tmp_path: Path):
    with Run.open(config_at(tmp_path / "run", steps=1)) as run:
        for step in run.steps():
            run.log(step, {"ratio": float("nan"), "reach": float("inf"), "share": 0.1})
    assert metrics_bytes(run.folder) == b'{"ratio": null, "reach": null, "share": 0.1, "step": 1}\n'


@pytest.mark.parametrize("crash_after", [3, 4, 5])
def test_an_interrupted_run_ends_with_the_bytes_of_an_uninterrupted_one(tmp_path: Path, crash_after: int):
    whole = play(config_at(tmp_path / "whole"))
    with pytest.raises(Crash):
        play(config_at(tmp_path / "broken"), crash_after=crash_after)
    assert not is_finished(tmp_path / "broken")
    resumed = play(load_config(tmp_path / "broken"), resume=tmp_path / "broken")
    assert metrics_bytes(resumed) == metrics_bytes(whole)
    assert is_finished(resumed)
    times = [json.loads(line)["step"] for line in (resumed / "timings.jsonl").read_text().splitlines()]
    assert times == [1, 2, 3, 4, 5, 6]


def test_a_run_that_stopped_before_its_first_checkpoint_starts_over(tmp_path: Path):
    with pytest.raises(Crash):
        play(config_at(tmp_path / "run"), crash_after=1)
    resumed = play(load_config(tmp_path / "run"), resume=tmp_path / "run")
    assert metrics_bytes(resumed) == metrics_bytes(play(config_at(tmp_path / "whole")))


def test_a_finished_run_can_be_given_more_steps(tmp_path: Path):
    short = play(config_at(tmp_path / "short", steps=4))
    longer = play(config_at(tmp_path / "short", steps=6), resume=short)
    assert metrics_bytes(longer) == metrics_bytes(play(config_at(tmp_path / "whole")))
    assert load_config(longer).steps == 6


def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(Crash):
        play(config_at(tmp_path / "run"), crash_after=5)
    newest = tmp_path / "run" / "checkpoints" / "step-000004.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    resumed = play(load_config(tmp_path / "run"), resume=tmp_path / "run")
    assert "step-000004.pt cannot be read" in capsys.readouterr().err.replace("\n", "")
    assert metrics_bytes(resumed) == metrics_bytes(play(config_at(tmp_path / "whole")))


def test_where_no_checkpoint_can_be_read_the_run_folder_is_refused(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RunFolderError, match="none of its checkpoints can be read"):
        load_run(folder)


def test_the_last_two_checkpoints_are_kept_and_no_scratch_file(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["step-000004.pt", "step-000006.pt"]


def test_a_checkpoint_that_fails_to_be_written_leaves_the_old_one(tmp_path: Path):
    write_checkpoint(tmp_path, 1, {"a": torch.ones(2)})
    with pytest.raises(Exception, match=r"pickle|local"):
        write_checkpoint(tmp_path, 1, {"a": lambda: None})
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001.pt"]
    saved = read_newest(tmp_path, print)
    assert saved is not None and saved["a"].tolist() == [1.0, 1.0]


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path):
    torch.save({"step": 1, "parts": {"a": Path("x")}}, tmp_path / "step-000001.pt")
    with pytest.raises(RunFolderError, match="can be read"):
        read_newest(tmp_path, lambda text: None)


def test_numpy_numbers_and_arrays_of_every_kind_survive_a_checkpoint(tmp_path: Path):
    arrays = [np.arange(size).astype(code) for code in "?bBhHiIlLqQefd" for size in (3, 0)]
    arrays.append(np.zeros((0, 4), dtype=np.float32))  # the embeddings of a run that embedded nothing
    write_checkpoint(tmp_path, 1, {"arrays": arrays, "number": np.float64(0.5), "big": 2**127, "none": None})
    saved = read_newest(tmp_path, print)
    assert saved is not None and saved["number"] == 0.5 and saved["big"] == 2**127
    for before, after in zip(arrays, saved["arrays"], strict=True):
        assert (before.dtype, before.shape) == (after.dtype, after.shape) and before.tolist() == after.tolist()


def test_a_named_folder_that_holds_a_run_is_never_overwritten(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    before = metrics_bytes(folder)
    with pytest.raises(RunFolderError, match="holds a run already"):
        play(config_at(tmp_path / "run"))
    assert metrics_bytes(folder) == before


def test_a_named_folder_that_holds_other_files_is_refused_too(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunFolderError, match="name another folder"):
        Run.open(config_at(tmp_path))


def test_folders_without_a_name_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folders = [Run.open(recipe("tiny", seed=5)).folder for _ in range(3)]
    assert [folder.as_posix() for folder in folders] == ["runs/tiny-5", "runs/tiny-5-2", "runs/tiny-5-3"]


def test_a_run_that_bad_input_kept_from_starting_leaves_no_folder_behind(tmp_path: Path):
    with pytest.raises(ConfigError), Run.open(config_at(tmp_path / "run")):
        raise ConfigError("env.name", "nowhere", "it is none of memworld")
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_version_is_refused_with_the_way_out(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    (folder / "config.json").write_text(json.dumps({"memrl_run": 99, "config": {}}))
    with pytest.raises(RunFolderError, match=r"version 99 .* reads version 2; use the memrl that wrote it"):
        load_run(folder)


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match="no such folder"):
        load_config(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match="holds no run"):
        load_config(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert not is_run(tmp_path)
    with pytest.raises(RunFolderError, match="holds no run"):
        load_config(tmp_path)


def test_a_resumed_run_may_not_change_what_was_learnt_under(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    with pytest.raises(RunFolderError, match=r"memory\.token_budget was \d+ and is 99 now; .* may change only steps"):
        play(config_at(tmp_path / "run", memory={"token_budget": 99}), resume=folder)


def test_metrics_that_somebody_shortened_are_refused(tmp_path: Path):
    folder = play(config_at(tmp_path / "run"))
    (folder / "metrics.jsonl").write_text("")
    with pytest.raises(RunFolderError, match="it was changed"):
        play(load_config(folder), resume=folder)


def test_load_run_gives_the_config_and_the_parts(tmp_path: Path):
    loaded = load_run(play(config_at(tmp_path / "run")))
    assert loaded.config == config_at(tmp_path / "run")
    twin, walk = Walk(), Walk()
    twin.load_state_dict(loaded.checkpoint["walk"])
    assert twin.position.tolist() != walk.position.tolist()


def test_a_seed_below_zero_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="seed = -1"):
        Run.open(config_at(tmp_path / "run", seed=-1))


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_survives_json_and_carries_its_own_name(name: str):
    config = recipe(name)
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config
    assert config.recipe == name


def test_the_graph_recipes_have_the_same_total_budget_and_task():
    with_graph, without = recipe("graph"), recipe("graph_token_only")
    assert with_graph.memory.total == without.memory.total
    assert with_graph.memory.read_budget == without.memory.read_budget
    assert with_graph.env == without.env and with_graph.rollout == without.rollout


def test_a_recipe_takes_changes_of_single_knobs():
    changed = recipe("tiny", seed=3, policy={"lora_rank": 2}, evaluation={"rows": ["fifo"]})
    assert (changed.seed, changed.policy.lora_rank, changed.policy.model) == (3, 2, "tiny")
    assert changed.evaluation == EvalConfig(episodes=4, rows=("fifo",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sede": 1}, "sede = 1: there is no such knob"),
        ({"policy": {"rank": 1}}, "policy.rank = 1: there is no such knob; choose from name, options,"),
        ({"policy": 3}, "policy = 3: it is a section"),
        ({"steps": "many"}, "steps = .many.: it must be a whole number"),
    ],
)
def test_a_change_that_no_config_has_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        recipe("tiny", **changes)


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(ConfigError, match="recipe = 'fast': it is none of quickstart, smoke, tiny"):
        recipe("fast")
