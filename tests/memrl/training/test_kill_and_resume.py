"""Killed anywhere and resumed, a run ends with the bits of one that nobody touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import forked
import pytest
import torch

from memory_stores.embed import HashEmbedder
from memrl.contracts.errors import RunFolderError
from memrl.contracts.texts import TextTable
from memrl.recipes import recipe
from memrl.training.checkpoints import checkpoint_files, read_newest, read_state, write_checkpoint
from memrl.training.line_files import read_lines
from memrl.training.run_folder import Run, read_metrics

ROOT = Path(__file__).parents[3]


def killed(tmp_path: Path, *options: str) -> dict[str, Any]:
    """Real runs, killed by signal and resumed: the benchmark of the same name, run small."""
    out = tmp_path / "report.json"
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = forked.run(ROOT / "benchmarks" / "kill_resume.py", "--out", out, *options, env=environment)
    assert out.exists(), done.stderr
    return json.loads(out.read_text())


def test_a_run_killed_at_any_named_point_ends_bit_identical(tmp_path: Path):
    report = killed(tmp_path, "--kills", "1", "--warm-start", "0", "--steps", "4")
    assert report["points"] == 8
    assert {row.get("point"): row["difference"] for row in report["rows"] if not row["identical"]} == {}
    # Both actors learned; a run that changes no weights would resume well in any case.
    assert report["token_rows"] > 0 and report["op_decisions"] > 0
    landed = {row["point"]: row["landed"] for row in report["rows"] if "point" in row}
    assert landed["metrics line half written"]["torn_line"]
    assert landed["checkpoint half written"]["scratch_files"] == 1
    assert landed["before the first checkpoint"]["newest_checkpoint"] is None


@pytest.mark.slow
def test_a_run_killed_at_twenty_random_times_ends_bit_identical(tmp_path: Path):
    report = killed(tmp_path, "--kills", "20", "--points", "--seed", "1")
    assert report["random_identical"] == report["random_kills"] == 20


class Count:
    """A part with one number."""

    def __init__(self) -> None:
        self.value = torch.zeros(1)

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value.clone()}

    def load_state_dict(self, state: Any) -> None:
        self.value = state["value"].clone()


def play(folder: Path, resume: bool = False, steps: int = 4) -> bytes:
    """A run of a few steps that draw from torch's generator; what it wrote."""
    part = Count()
    config = recipe("tiny", out=str(folder), steps=steps, checkpoint_every=1)
    with Run.open(config, folder if resume else None) as run:
        run.restore(part=part)
        for step in run.steps():
            part.value += torch.randn(1)
            run.log(step, {"value": float(part.value)})
            run.checkpoint(step, part=part)
    return (folder / "metrics.jsonl").read_bytes()


def test_a_torn_last_line_is_cut_and_written_again(tmp_path: Path):
    whole = play(tmp_path / "whole", steps=4)
    play(tmp_path / "run", steps=3)
    for name in ("metrics.jsonl", "timings.jsonl"):
        with (tmp_path / "run" / name).open("a") as file:
            file.write('{"step": 4, "va')
    assert len(read_metrics(tmp_path / "run")) == 3
    assert play(tmp_path / "run", resume=True) == whole
    times = (tmp_path / "run" / "timings.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in times] == [1, 2, 3, 4]


@pytest.mark.parametrize("left", [0, 100, 0.5])
def test_a_truncated_newest_checkpoint_is_told_and_played_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], left: float
):
    whole = play(tmp_path / "whole")
    play(tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "step-000004.pt"
    raw = newest.read_bytes()
    newest.write_bytes(raw[: int(len(raw) * left) if left < 1 else int(left)])
    assert play(tmp_path / "run", resume=True) == whole
    assert "step-000004.pt cannot be read" in capsys.readouterr().err.replace("\n", "")
    assert read_state(newest)["step"] == 4


def test_a_flipped_bit_is_noticed(tmp_path: Path):
    weights = torch.arange(1000.0)
    path = write_checkpoint(tmp_path, 1, {"weights": weights})
    raw = bytearray(path.read_bytes())
    raw[bytes(raw).index(weights.numpy().tobytes()) + 17] ^= 4
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="is damaged"):
        read_state(path)


def test_unreadable_checkpoints_do_not_count_as_kept_ones(tmp_path: Path):
    play(tmp_path / "run", steps=4)
    (tmp_path / "run" / "checkpoints" / "step-000004.pt").write_bytes(b"")
    with Run.open(recipe("tiny", out=str(tmp_path / "run"), steps=4, checkpoint_every=1), tmp_path / "run") as run:
        assert run.restore(part=Count()) == 3
    assert [path.name for path in checkpoint_files(tmp_path / "run" / "checkpoints")] == ["step-000003.pt"]


def test_scratch_files_of_a_killed_process_are_swept(tmp_path: Path):
    play(tmp_path / "run", steps=3)
    left = [tmp_path / "run" / "checkpoints" / ".step-000004.pt.x1.tmp", tmp_path / "run" / ".done.json.x2.tmp"]
    for path in left:
        path.write_bytes(b"half")
    play(tmp_path / "run", resume=True)
    assert not any(path.exists() for path in left)


def test_a_run_killed_while_its_config_was_written_leaves_a_folder_that_can_be_used(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.json.x1.tmp").write_text("{")
    play(tmp_path / "run")


def test_steps_above_six_digits_are_newer_than_those_below(tmp_path: Path):
    for step in (999_999, 1_000_000):
        write_checkpoint(tmp_path, step, {"step": step})
    newest = read_newest(tmp_path, print)
    assert newest is not None and newest["step"] == 1_000_000


def test_a_checkpoint_that_lacks_a_part_is_refused(tmp_path: Path):
    play(tmp_path / "run")
    config = recipe("tiny", out=str(tmp_path / "run"), steps=4, checkpoint_every=1)
    with pytest.raises(RunFolderError, match="lacks texts"), Run.open(config, tmp_path / "run") as run:
        run.restore(part=Count(), texts=Count())


def test_the_table_of_texts_keeps_its_rows_and_bits():
    table, twin = TextTable(HashEmbedder(8)), TextTable(HashEmbedder(8))
    table.add([f"text {i}" for i in range(300)])
    twin.add(["something else"])
    twin.load_state_dict(table.state_dict())
    twin.add(["new"])
    assert twin.row("text 299") == 299 and twin.row("new") == 300
    assert twin.matrix[:300].tobytes() == table.matrix.tobytes()


def test_who_stops_a_run_is_told_where_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for every, told in ((1, "goes on after step 2"), (9, "begins anew: there is no checkpoint yet")):
        folder, part = tmp_path / str(every), Count()
        config = recipe("tiny", out=str(folder), steps=4, checkpoint_every=every)
        with pytest.raises(KeyboardInterrupt), Run.open(config) as run:
            for step in run.steps():
                if step == 3:
                    raise KeyboardInterrupt
                run.log(step, {"value": 0.0})
                run.checkpoint(step, part=part)
        said = capsys.readouterr()
        assert f"stopped after step 2: `memrl train --resume {folder}` {told}" in " ".join(
            (said.out + said.err).split()
        )


def test_a_line_that_somebody_changed_is_named(tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\ngarbage\n{"step": 3}\n')
    with pytest.raises(RunFolderError, match=r"metrics\.jsonl, line 2: b'garbage' is no JSON: the file was changed"):
        read_lines(tmp_path / "metrics.jsonl")
