"""Tables of evaluations: the rows of one experiment, and the four ways of training beside each other."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from other_tables import table
from task_statistics import interval, task_means

TITLES = {
    "main_job": "Main job: SmolLM2-135M and its controller, trained jointly (`experiments.py main_job`)",
    "joint": "SmolLM2-135M and its controller, trained jointly by the recipe of then (`experiments.py joint`)",
    "controller_only": "Controller trained alone, the reader frozen after its warm start",
    "policy_only": "Policy trained alone, the controller untrained",
    "selftrain": "The self-training loop, SmolLM2-135M (`experiments.py selftrain`)",
    "horizon_480": "The same checkpoints at ten times the horizon (`experiments.py horizon`)",
    "horizon_480_controller_only": "Controller trained alone, at ten times the horizon",
    "horizon_480_policy_only": "Policy trained alone, at ten times the horizon",
    "graph": "Two-hop questions, token memory and graph (`experiments.py graph`)",
    "graph_token_only": "Two-hop questions, the same total budget in token memory alone",
    "graph_exact": "Two-hop questions read without error, token memory and graph (`experiments.py graph_exact`)",
    "graph_exact_token_only": "Two-hop questions read without error, the same total budget in token memory alone",
    "no_subjects": "The controller alone, read without error (`experiments.py subjects`)",
    "subjects": "The same with `controller.options.subjects`: it also sees what a text speaks of, embedded by itself",
    "no_subjects_480": "Without subjects, at ten times the horizon",
    "subjects_480": "With subjects, at ten times the horizon",
    "locomo": "LoCoMo, six dialogues, zero-shot transfer of the main job's run (`experiments.py locomo`)",
}
WAYS = {
    "no controller": ("joint", "horizon_480", "untrained"),
    "the policy alone": ("policy_only", "horizon_480_policy_only", "scorer"),
    "the controller alone": ("controller_only", "horizon_480_controller_only", "scorer"),
    "both, jointly": ("joint", "horizon_480", "scorer"),
}
"""Who was trained, to the result folders at both horizons and the row that counts there."""
Evaluation = Mapping[str, Any]
Row = Mapping[str, Any]


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {name: partial(_section, name) for name in TITLES} | {"four_ways": four_ways}


def four_ways(folder: Path) -> str | None:
    """Who was trained, against success at both horizons; a way without results is left out."""
    title = (
        "**Who was trained (`experiments.py joint`, `horizon`).** Success on held-out tasks, 95 % interval over "
        "tasks, and by seed. In the line `no controller` it is an untrained one, and the policy is the joint run's."
    )
    lines = []
    for way, (short, long, name) in WAYS.items():
        if rows := _rows(folder / short, name):
            lines.append([way, *_told(rows), *_told(_rows(folder / long, name))])
    head = ["trained", "48 steps", "by seed", "480 steps", "by seed"]
    return f"{title}\n\n{table(head, lines)}" if lines else None


def _rows(folder: Path, name: str) -> list[Row]:
    return [row for one in _evaluations(folder) for row in one["rows"] if row["controller"] == name]


def _told(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["-", "-"]
    mean, half = _pooled(rows)
    return [f"{mean:.3f} [{mean - half:.3f}, {mean + half:.3f}]", _by_seed(rows)]


def _evaluations(folder: Path) -> Iterator[Evaluation]:
    for path in sorted(folder.glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _section(name: str, folder: Path) -> str | None:
    evaluations = list(_evaluations(folder / name))
    if not evaluations:
        return None
    first = evaluations[0]
    bounds = f", best keeper {first['oracle']:.3f}, blind guess {first['floor']:.3f}" if first["oracle"] else ""
    setting = (
        f"{len(evaluations)} seed(s) × {first['episodes']} episodes, memory {first['memory_budget_tokens']} tokens, "
        f"in view {first['read_budget_tokens']} tokens{bounds}"
    )
    categories = sorted({c for e in evaluations for row in e["rows"] for c in row["categories"]})
    shown = categories if len(categories) > 1 else []
    head = ["controller", "success", "95 % interval", "by seed", "tokens/step", "ms/step", *shown]
    names = list(dict.fromkeys(row["controller"] for e in evaluations for row in e["rows"]))
    lines = [_line(controller, _rows(folder / name, controller), shown) for controller in names]
    return f"**{TITLES[name]}.** {setting}.\n\n{table(head, lines)}"


def _line(name: str, rows: Sequence[Row], categories: Sequence[str]) -> list[str]:
    mean, half = _pooled(rows)
    return [
        name,
        f"{mean:.3f}",
        f"{mean - half:.3f} to {mean + half:.3f}",
        _by_seed(rows),
        f"{statistics.fmean(row['tokens_per_step'] for row in rows):.1f}",
        f"{1000 * statistics.fmean(row['seconds_per_step'] for row in rows):.1f}",
        *(f"{statistics.fmean(row['categories'].get(c, math.nan) for row in rows):.3f}" for c in categories),
    ]


def _pooled(rows: Sequence[Row]) -> tuple[float, float]:
    """Mean over seeds and half of its 95 % interval over tasks.

    Training seeds play the same tasks, so a task counts as the mean over seeds. Results that did not keep success by
    task are taken as independent, which is a little too narrow.
    """
    mean = statistics.fmean(row["success"] for row in rows)
    if all(row.get("by_episode") for row in rows):
        return mean, interval(task_means([row["by_episode"] for row in rows]))
    return mean, math.sqrt(sum(((row["ci95"][1] - row["ci95"][0]) / 2) ** 2 for row in rows)) / len(rows)


def _by_seed(rows: Sequence[Row]) -> str:
    return ", ".join(f"{row['success']:.3f}" for row in rows)
