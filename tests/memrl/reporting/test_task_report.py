"""What a run wrote, was refused and learned, counted by hand."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest

from memrl.contracts.errors import DataError, RunFolderError
from memrl.recipes import recipe
from memrl.reporting.task_plots import bin_edges, draw_curriculum, skill_grid
from memrl.reporting.task_report import LOG, read_task_log, summarise_tasks
from memrl.training.run_folder import Run


def visit(step: int, signature: str, q: float, source: str = "proposed", reward: float | None = None) -> dict[str, Any]:
    return {
        "step": step, "source": source, "accepted": True, "gate": "", "reason": "", "signature": signature, "q": q,
        "reward": reward,
    }  # fmt: skip


def refused(step: int, gate: str, reason: str) -> dict[str, Any]:
    return {
        "step": step, "source": "proposed", "accepted": False, "gate": gate, "reason": reason, "signature": "",
        "q": None, "reward": -0.5,
    }  # fmt: skip


ROWS = [
    visit(1, "path", 0.0, reward=0.0), visit(1, "latest", 0.8, "fresh"), refused(1, "solvable", "p* = 0.50"),
    visit(2, "path", 0.5, "replay"), refused(2, "solvable", "p* = 0.50"), refused(2, "novelty", "the same events"),
    visit(3, "path", 0.9, "edit", reward=0.4),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Run.open(recipe("tiny", out=str(tmp_path / "run"))) as run:
        for step in run.steps():
            run.log(step, {"practice_success": step / 5, "anchor_success": step / 4, "rolled_back": float(step == 2)})
    (run.folder / LOG).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return run.folder


def test_the_summary_counts_sources_gates_and_skills():
    summary = summarise_tasks(ROWS)
    assert (summary["rows"], summary["proposed"], summary["accepted"], summary["rejected"]) == (7, 6, 4, 3)
    by_source = {item["source"]: item for item in summary["sources"]}
    assert by_source["proposed"] == {
        "source": "proposed", "tasks": 4, "rejected": 3, "q": 0.0, "reward": pytest.approx(-0.375)
    }  # fmt: skip
    assert summary["gates"][0] == {
        "gate": "solvable", "rejected": 2, "reasons": [{"reason": "p* = 0.50", "count": 2}]
    }  # fmt: skip
    path, latest = summary["signatures"]
    assert path["signature"] == "path" and path["learned"] == pytest.approx(0.9)
    assert (path["visits"], path["written"], path["first_q"], path["last_q"]) == (3, 2, 0.0, 0.9)
    assert latest["learned"] is None


def test_an_empty_log_has_a_summary_and_a_picture(tmp_path: Path):
    assert summarise_tasks([])["signatures"] == []
    draw_curriculum([], [], tmp_path / "empty.png")
    assert (tmp_path / "empty.png").stat().st_size > 1000


def test_the_grid_puts_the_weakest_first_and_leaves_gaps_where_nothing_was_played():
    names, mean, written = skill_grid(ROWS, 3)
    assert names == ["path", "latest"] and bin_edges(3).tolist() == [0.5, 1.5, 2.5, 3.5]
    assert mean[0].tolist() == [0.0, 0.5, 0.9] and mean[1, 0] == 0.8 and np.isnan(mean[1, 1:]).all()
    assert written.tolist() == [[1, 0, 1], [1, 0, 0]]


def test_every_column_is_some_whole_steps():
    edges = bin_edges(30)
    assert len(edges) == 21 and edges[0] == 0.5 and edges[-1] == 30.5
    assert set(np.diff(edges)) == {1.0, 2.0}


def command(*options: str) -> subprocess.CompletedProcess[str]:
    return forked.run("curriculum", *options, module="memrl.cli.main")


def test_the_command_prints_one_json_object_and_draws(folder: Path):
    done = command(str(folder), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["rejected"] == 3
    assert Path(told["picture"]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_command_prints_tables(folder: Path):
    out = command(str(folder)).stdout
    assert "7 visits in 3 steps: 6 tasks newly written, 3 of them turned away" in out
    assert "p* = 0.50 (2x)" in out and "curriculum.png" in out


def test_a_run_that_wrote_no_tasks_is_told_in_one_line(folder: Path):
    (folder / LOG).unlink()
    with pytest.raises(RunFolderError, match=r"it has no tasks\.jsonl, since curriculum\.name = 'uniform'"):
        read_task_log(folder)
    done = command(str(folder))
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1


def test_a_torn_last_line_is_left_out_and_any_other_is_told(folder: Path):
    log = folder / LOG
    log.write_text(log.read_text() + '{"step": 4, "acc')
    assert len(read_task_log(folder)) == 7
    log.write_text("[]\n" + log.read_text())
    with pytest.raises(DataError, match="line 1: no row of tasks"):
        read_task_log(folder)
