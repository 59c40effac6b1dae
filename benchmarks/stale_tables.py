"""The table of stale facts in docs/reading.md, from results/stale.json."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from other_tables import table
from reading_tables import NAMES, gain

ROWS = ("bm25", "dense", "rrf", "late_interaction", "learned", "plain", "costly", "evidence")
TITLES = {
    **NAMES,
    "learned": "the one that ships",
    "plain": "trained on these two sets",
    "costly": "the same, outdated costs",
}
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
    seeds = {row: _seeds(row, sets, budgets) for row in ROWS}
    rows = [row for row in ROWS if seeds[row]]
    learned = next(row for row in ("costly", "plain", "learned") if row in rows)
    lines = []
    for budget in budgets:
        of_set = {name: _late(one["has"], one[budget]) for name, one in sets.items()}
        of_set["**both**"] = {row: "".join(late[row] for late in of_set.values()) for row in _named(seeds)}
        lines += [
            _line(budget, name, {row: [late[one] for one in seeds[row]] for row in rows}, learned)
            for name, late in of_set.items()
        ]
    counts = ", ".join(f"{len(seeds[row])} of {TITLES[row]}" for row in ("plain", "costly") if row in rows)
    title = (
        "**Only an outdated version in view (`benchmarks/stale.py`).** Held-out streams of sgd_state and timeqa, "
        "questions of which an older version is told and labelled too. Each cell: share with an outdated version and "
        "not the current evidence in view [95 %, Wilson], then after the stroke the share with all of the current "
        f"evidence; means over seeds ({counts}). Last: {TITLES[learned]} less half of RRF, 95 % by paired bootstrap "
        "over questions; below 0 is wanted."
    )
    head = ["tokens", "set", "questions", *(TITLES.get(row, row) for row in rows), "outdated − RRF / 2"]
    return f"{title}\n\n{table(head, lines)}"


def _late(has: str, rows: Mapping[str, str]) -> dict[str, str]:
    """Of the questions that have an older version: row -> a letter each."""
    return {
        row: "".join(view for view, other in zip(views, has, strict=True) if other == OUTDATED)
        for row, views in rows.items()
    }


def _seeds(row: str, sets: Mapping[str, Any], budgets: Sequence[str]) -> list[str]:
    """A row by its own name, or its runs, one a seed."""
    found = [set(one[budget]) for one in sets.values() for budget in budgets]
    every = set.intersection(*found)
    return sorted(name for name in every if name == row or name.rpartition("-")[0] == row)


def _named(seeds: Mapping[str, Sequence[str]]) -> list[str]:
    return [name for names in seeds.values() for name in names]


def _line(budget: str, name: str, rows: Mapping[str, Sequence[str]], learned: str) -> list[str]:
    cells = [f"{_share(views)} / {_rate(views, CURRENT).mean():.3f}" for views in rows.values()]
    one, other = (_rate(rows[row], OUTDATED) for row in (learned, "rrf"))
    return [budget, name, str(len(one)), *cells, gain(one, other / 2)]


def _share(views: Sequence[str]) -> str:
    rate = _rate(views, OUTDATED)
    low, high = wilson(float(rate.sum()), len(rate))
    return f"{rate.mean():.3f} [{low:.2f}, {high:.2f}]"


def _rate(views: Sequence[str], letter: str) -> NDArray[np.float64]:
    """[questions] share of the seeds with that letter."""
    return np.array([[one == letter for one in view] for view in views], dtype=np.float64).mean(axis=0)


def wilson(hits: float, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z = 1.96
    share, spread = hits / of, z * math.sqrt(hits * (of - hits) / of + z * z / 4) / of
    middle, scale = share + z * z / (2 * of), 1 + z * z / of
    return (middle - spread) / scale, (middle + spread) / scale
