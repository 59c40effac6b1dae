"""The table that compares two trained rows on the same held-out tasks, task by task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from other_tables import table
from task_statistics import interval, task_means

# Shapes: S training seeds, T tasks.

COMPARED = {
    "48 steps": ("joint", "controller_only"),
    "48 steps, other tasks": ("paired_joint", "paired_controller_only"),
    "480 steps": ("horizon_480", "horizon_480_controller_only"),
}
"""What is played, to the result folders of joint training and of the controller alone."""
Outcomes = Sequence[float | None]
"""Success on each task in turn, None where the environment failed."""


class Played(NamedTuple):
    """What two results must share to be compared task by task."""

    training_seed: str
    task_seed: int
    horizon: int
    episodes: int


def section(folder: Path) -> str | None:
    """One line a comparison that has results of both sides for the same seeds and tasks."""
    rows = [row for name, (a, b) in COMPARED.items() if (row := _row(name, outcomes(folder / a), outcomes(folder / b)))]
    if not rows:
        return None
    title = (
        "**Joint training against the controller alone, task by task (`experiments.py joint`, `paired`, `horizon`).** "
        "Both play the same held-out tasks. Intervals, by Student's t: over tasks, a task counting as the mean over "
        "seeds of the difference; and over seeds, which also says how runs differ."
    )
    head = ["tasks", "seeds × tasks", "joint", "controller alone", "difference", "over tasks", "over seeds", "by seed"]
    return f"{title}\n\n{table(head, rows)}"


def outcomes(folder: Path) -> Mapping[Played, Outcomes]:
    """Success of the trained row on every task, by what was played; results that did not keep it are left out."""
    found: dict[Played, Outcomes] = {}
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        scorer = next(row for row in told["rows"] if row["controller"] == "scorer")
        if scorer.get("by_episode"):
            found[Played(path.stem, told["seed"], told["horizon"], told["episodes"])] = scorer["by_episode"]
    return found


def differences(a_ST: Sequence[Outcomes], b_ST: Sequence[Outcomes]) -> NDArray[np.float64]:
    """``a - b``, [S, T]; a task on which the environment failed for anybody is left out."""
    gaps_ST = np.array(a_ST, dtype=np.float64) - np.array(b_ST, dtype=np.float64)
    return gaps_ST[:, np.isfinite(gaps_ST).all(axis=0)]


def _row(name: str, a: Mapping[Played, Outcomes], b: Mapping[Played, Outcomes]) -> list[str] | None:
    both = sorted(a.keys() & b.keys())
    if not both:
        return None
    gaps_ST = differences([a[one] for one in both], [b[one] for one in both])
    seed_S, task_T = gaps_ST.mean(axis=1), gaps_ST.mean(axis=0)
    return [
        name,
        f"{gaps_ST.shape[0]} × {gaps_ST.shape[1]}",
        f"{task_means([a[one] for one in both]).mean():.3f}",
        f"{task_means([b[one] for one in both]).mean():.3f}",
        f"{gaps_ST.mean():+.3f}",
        _reach(task_T),
        _reach(seed_S) if len(both) > 1 else "-",
        ", ".join(f"{gap:+.3f}" for gap in seed_S),
    ]


def _reach(values: NDArray[np.float64]) -> str:
    mean, half = values.mean(), interval(values)
    return f"{mean - half:+.3f} to {mean + half:+.3f}"
