"""The table that compares two trained rows on the same held-out tasks, task by task."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from other_tables import table

COMPARED = {
    "48 steps": ("joint", "controller_only"),
    "48 steps, other tasks": ("paired_joint", "paired_controller_only"),
    "480 steps": ("horizon_480", "horizon_480_controller_only"),
}
"""What is played, to the result folders of joint training and of the controller alone."""


def section(folder: Path) -> str | None:
    """One line a comparison that has results of both sides for the same seeds and tasks."""
    rows = [row for name, (a, b) in COMPARED.items() if (row := _row(name, outcomes(folder / a), outcomes(folder / b)))]
    if not rows:
        return None
    title = (
        "**Joint training against the controller alone, task by task (`experiments.py joint`, `paired`, `horizon`).** "
        "Both play the same held-out tasks; a task counts as the mean over seeds of the difference, and intervals are "
        "over tasks."
    )
    head = ["tasks", "seeds × tasks", "joint", "controller alone", "difference", "95 % interval", "by seed"]
    return f"{title}\n\n{table(head, rows)}"


def outcomes(folder: Path) -> Mapping[str, NDArray[np.float64]]:
    """Success of the trained row on every task, by seed; runs that did not keep it are left out."""
    found: dict[str, NDArray[np.float64]] = {}
    for path in sorted(folder.glob("*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        scorer = next(row for row in rows if row["controller"] == "scorer")
        if scorer.get("by_episode"):
            found[path.stem] = np.array(scorer["by_episode"], dtype=np.float64)
    return found


def difference(a_ST: NDArray[np.float64], b_ST: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of ``a - b`` over S seeds and T tasks, and half of its 95 % interval over tasks."""
    task_T = (a_ST - b_ST).mean(axis=0)
    return float(task_T.mean()), 1.96 * float(task_T.std(ddof=1)) / math.sqrt(len(task_T))


def _row(name: str, a: Mapping[str, NDArray[np.float64]], b: Mapping[str, NDArray[np.float64]]) -> list[str] | None:
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    a_ST, b_ST = np.stack([a[seed] for seed in seeds]), np.stack([b[seed] for seed in seeds])
    mean, half = difference(a_ST, b_ST)
    return [
        name,
        f"{a_ST.shape[0]} × {a_ST.shape[1]}",
        f"{a_ST.mean():.3f}",
        f"{b_ST.mean():.3f}",
        f"{mean:+.3f}",
        f"{mean - half:+.3f} to {mean + half:+.3f}",
        ", ".join(f"{gap:+.3f}" for gap in (a_ST - b_ST).mean(axis=1)),
    ]
