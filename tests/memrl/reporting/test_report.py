"""The report says what the files say."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from memrl.contracts.errors import RunFolderError
from memrl.recipes import recipe
from memrl.reporting.plots import in_order_drawn, trailing_mean
from memrl.reporting.report import (
    categories_table,
    finite,
    left_out,
    markdown_table,
    save_evaluation,
    terminal_table,
    write_report,
)
from memrl.training.run_folder import Run


def row(name: str, success: float, **more: Any) -> dict[str, Any]:
    return {
        "controller": name, "success": success, "ci95": [success - 0.05, success + 0.05], "q": success / 2,
        "tokens_per_step": 12.34, "seconds_per_step": 0.0056, "peak_context_tokens": 99, "refused_ops": 3,
        "categories": {}, **more,
    }  # fmt: skip


EVALUATION: dict[str, Any] = {
    "env": "memworld", "episodes": 4, "horizon": 12, "seed": 0, "memory_budget_tokens": 160,
    "read_budget_tokens": 160, "rows": [row("scorer", 0.8), row("fifo", 0.25, q=None)], "oracle": 0.97, "floor": 0.125,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Run.open(recipe("tiny", out=str(tmp_path / "run"))) as run:
        for step in run.steps():
            shares = {"curriculum/easy": 1 - step / 4, "curriculum/base": step / 4}
            run.log(step, {"success": step / 10, "practice_success": step / 5, **shares})
    return run.folder


def is_png(path: Path) -> bool:
    return path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 5000


def test_episodes_that_count_for_less_are_told(folder: Path):
    rows = [row("none", 1.0, env_errors=2), row("fifo", 0.5, env_errors=0, cut=1)]
    assert left_out({**EVALUATION, "rows": rows}) == (
        "Of 4 episodes some ended in an error of the environment and count in no figure: none 2. "
        "Of 4 episodes some were cut by a limit and count by what they came to, as 0 where that was nothing: fifo 1."
    )
    save_evaluation(folder, {**EVALUATION, "rows": rows})
    assert "none 2." in write_report(folder).read_text()
    assert left_out(EVALUATION) == ""


@pytest.mark.parametrize(
    ("name", "said"), [("tiny", "| policy | hf: tiny, LoRA rank"), ("smoke", "| policy | pointer |")]
)
def test_the_policy_is_told_by_its_name_and_its_model_where_it_has_one(name: str, said: str, tmp_path: Path):
    with Run.open(recipe(name, out=str(tmp_path / "run"))) as run:
        pass
    assert said in write_report(run.folder).read_text()


def test_the_report_holds_config_picture_and_table(folder: Path):
    save_evaluation(folder, EVALUATION)
    page = write_report(folder).read_text()
    assert "# tiny, seed 0" in page and "3 of 3 steps." in page
    assert "![curve](curve.png)" in page and is_png(folder / "curve.png")
    assert "best keeper 0.970, blind guess 0.125" in page
    assert "| scorer | 0.800 | 0.750 to 0.850 | 0.400 | 12.3 | 5.6 | 99 | 3 |" in page
    assert "| fifo | 0.250 | 0.200 to 0.300 | - |" in page


def test_a_run_without_evaluation_or_steps_has_a_report_too(folder: Path, tmp_path: Path):
    page = write_report(folder).read_text()
    assert "| controller | success |" not in page and is_png(folder / "curve.png")
    empty = Run.open(recipe("tiny", out=str(tmp_path / "empty"))).folder
    assert "0 of 3 steps, not finished." in write_report(empty).read_text()
    assert is_png(empty / "curve.png")


def test_an_evaluation_that_cannot_be_read_is_named(folder: Path):
    (folder / "eval.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"eval\.json cannot be read"):
        write_report(folder)


def test_an_interval_of_one_episode_is_null_in_json_and_a_dash_in_the_table(folder: Path):
    nan = float("nan")
    one = {**EVALUATION, "rows": (row("scorer", 1.0, ci95=(nan, nan)),)}
    save_evaluation(folder, one)
    assert json.loads((folder / "eval.json").read_text())["rows"][0]["ci95"] == [None, None]
    assert "| scorer | 1.000 | - to - |" in markdown_table(finite(one))
    write_report(folder)
    assert is_png(folder / "curve.png")


def test_the_terminal_table_shows_every_row():
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(terminal_table(EVALUATION))
    text = console.export_text()
    assert "scorer" in text and "0.800" in text and "memory 160 tokens" in text


def test_kinds_of_question_get_a_table_where_there_are_several():
    assert categories_table(EVALUATION) is None
    kinds = {**EVALUATION, "rows": [row("scorer", 0.5, categories={"latest": 0.75, "path": 0.25})]}
    table = categories_table(kinds)
    assert table is not None and [column.header for column in table.columns] == ["controller", "latest", "path"]


def test_the_trailing_mean_never_looks_ahead():
    assert trailing_mean([2.0, 4.0, 9.0], 2) == [2.0, 3.0, 6.5]
    assert trailing_mean([5.0, 7.0], 1) == [5.0, 7.0]


def test_cells_stand_in_the_order_in_which_they_were_drawn():
    late, never, early = "curriculum/a", "curriculum/b", "curriculum/c"
    metrics = [{"step": 1, late: 0.0, never: 0.0, early: 1.0}, {"step": 2, late: 0.5, never: 0.0, early: 0.5}]
    assert in_order_drawn(metrics) == [early, late, never]
