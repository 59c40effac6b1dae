"""The table of docs/memworld.md on reading with no linker, from results/natural."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from other_tables import table
from reading_tables import DRAWS, gain

RULES = ("bm25", "dense", "rrf", "late_interaction", "newest", "newest_dense", "dense_trusted")


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {"natural": section, "natural_ceiling": ceiling}


def section(folder: Path) -> str | None:
    """Every run, one a seed: shares of each, and the difference to the best rule pooled over tasks and seeds."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("natural/trained_*"))]
    if not runs:
        return None
    whats = [what for what in runs[0] if what != "training_seconds"]
    lines = [_line(what, [_rows(run[what]) for run in runs]) for what in whats]
    seconds = [run["training_seconds"] for run in runs]
    one = runs[0][whats[0]]
    title = (
        f"**Reading with no linker (`benchmarks/natural.py --trained`).** Recipe `natural`, {len(runs)} seeds; "
        f"{one['read_budget_tokens']} tokens of SmolLM2's in view, everything archived, styles and names held out, an "
        "exact reader. Share of questions answered right; rules fill the same budget out of the same entries, the same "
        "for every seed. The last column is learned less the best rule of that line, with a 95 % interval by paired "
        f"bootstrap over tasks ({DRAWS} draws; the mean over seeds counts for a task). Training took "
        f"{min(seconds)} to {max(seconds)} s of one core, other work beside it."
    )
    head = ["told", "steps", "tasks", *RULES, "learned, by seed", "learned", "learned − best rule"]
    return f"{title}\n\n{table(head, lines)}"


def _rows(report: dict[str, Any]) -> dict[str, np.ndarray]:
    return {row["controller"]: np.array(row["by_episode"], dtype=float) for row in report["rows"]}


def _line(what: str, runs: list[dict[str, np.ndarray]]) -> list[str]:
    told, _, steps = what.rpartition(", ")
    learned = np.mean([run["scorer"] for run in runs], axis=0)
    best = max(RULES, key=lambda rule: runs[0][rule].mean())
    return [
        told, steps.removesuffix(" steps"), str(len(learned)), *(f"{runs[0][rule].mean():.3f}" for rule in RULES),
        ", ".join(f"{run['scorer'].mean():.3f}" for run in runs), f"{learned.mean():.3f}",
        gain(learned, runs[0][best]),
    ]  # fmt: skip


def ceiling(folder: Path) -> str | None:
    """What labels give: classifiers, and keepers that go by them."""
    path = folder / "natural" / "ceiling.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    kinds = [name for name, one in found.items() if isinstance(one, dict) and "area" in one]
    head = ["facts told by", "area under ROC", "found", "taken wrongly"]
    lines = [[name, *(f"{found[name][key]:.3f}" for key in ("area", "found", "false"))] for name in kinds]
    budgets = list(next(iter(found["success"].values())))
    keepers = [[name, *(f"{one[budget]:.3f}" for budget in budgets)] for name, one in found["success"].items()]
    title = (
        f"**With labels (`benchmarks/natural_ceiling.py`).** {found['training']} trusted texts of training and "
        f"{found['held_out']} of held-out styles; then 64 held-out tasks of 48 steps, an exact reader."
    )
    second = table(["a keeper of the newest facts by", *(f"{budget} tokens" for budget in budgets)], keepers)
    return f"{title}\n\n{table(head, lines)}\n\n{second}"
