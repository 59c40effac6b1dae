"""The table of stale facts in docs/reading.md, from results/stale.json."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from other_tables import table
from reading_tables import NAMES, gain

ROWS = ("bm25", "dense", "rrf", "late_interaction", "learned", "trained", "evidence")
TITLES = {**NAMES, "learned": "the one that ships", "trained": "trained on these two sets"}
CURRENT, OUTDATED = "c", "o"
"""Letters of ``stale.py``."""


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {"stale": _stale}


def _stale(folder: Path) -> str | None:
    path = folder / "stale.json"
    if not path.exists():
        return None
    sets = json.loads(path.read_text(encoding="utf-8"))["sets"]
    budgets = [key for key in next(iter(sets.values())) if key.isdigit()]
    rows = [row for row in ROWS if all(row in one[budget] for one in sets.values() for budget in budgets)]
    learned = "trained" if "trained" in rows else "learned"
    lines = []
    for budget in budgets:
        of_set = {name: _late(one["has"], one[budget]) for name, one in sets.items()}
        of_set["**both**"] = {row: "".join(late[row] for late in of_set.values()) for row in rows}
        lines += [_line(budget, name, {row: late[row] for row in rows}, learned) for name, late in of_set.items()]
    title = (
        "**Only an outdated version in view (`benchmarks/stale.py`).** Held-out streams of sgd_state and timeqa, "
        "questions of which an older version is told and labelled too. Each cell: share with an outdated version and "
        "not the current evidence in view [95 %, Wilson], then after the stroke the share with all of the current "
        f"evidence. Last: {TITLES[learned]} less half of RRF, 95 % by paired bootstrap over questions; below 0 is "
        "wanted."
    )
    head = ["tokens", "set", "questions", *(TITLES.get(row, row) for row in rows), "outdated − RRF / 2"]
    return f"{title}\n\n{table(head, lines)}"


def _late(has: str, rows: Mapping[str, str]) -> dict[str, str]:
    """Of the questions that have an older version: row -> a letter each."""
    return {
        row: "".join(view for view, other in zip(views, has, strict=True) if other == OUTDATED)
        for row, views in rows.items()
    }


def _line(budget: str, name: str, rows: Mapping[str, Any], learned: str) -> list[str]:
    cells = [f"{_share(views, OUTDATED)} / {views.count(CURRENT) / len(views):.3f}" for views in rows.values()]
    one, other = (np.array([float(view == OUTDATED) for view in rows[row]]) for row in (learned, "rrf"))
    return [budget, name, str(len(one)), *cells, gain(one, other / 2)]


def _share(views: str, letter: str) -> str:
    low, high = wilson(views.count(letter), len(views))
    return f"{views.count(letter) / len(views):.3f} [{low:.2f}, {high:.2f}]"


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.96
    share, spread = hits / of, z * math.sqrt(hits * (of - hits) / of + z * z / 4) / of
    middle, scale = share + z * z / (2 * of), 1 + z * z / of
    return (middle - spread) / scale, (middle + spread) / scale
