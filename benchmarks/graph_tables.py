"""What rules with a linker give (docs/memworld.md), and what a graph does for reading (docs/graph.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from other_tables import of_file, table
from reading_tables import gain

Found = Mapping[str, Any]


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {"linker_rule": partial(of_file, linker_rule), "graph_text": graph_text}


def linker_rule(found: Found) -> str:
    title = (
        "**What rules alone give with the linker (`benchmarks/linker_rule.py`).** The row `linker_rule` as it stands, "
        "and with `live_leave` on; 64 tokens, exact reader, 64 held-out tasks of 48 steps, 16 of 480; 95 % intervals "
        "over tasks."
    )
    worlds = list(dict.fromkeys(name.rpartition(", ")[0] for name in found))
    rules = list(dict.fromkeys(name.rpartition(", ")[2] for name in found))
    rows = [[world, *(_success(found[f"{world}, {rule}"]) for rule in rules)] for world in worlds]
    return f"{title}\n\n{table(['world', *rules], rows)}"


def _success(row: Found) -> str:
    low, high = row["ci95"]
    return f"{row['success']:.3f} ± {(high - low) / 2:.3f}"


ROWS = {
    "rrf": ("rrf, road", "rrf, road 2", "rrf, entries"),
    "late": ("late, road", "late, road 2", "late, entries"),
    "learned": ("learned, entries",),
}
"""What is measured without a graph -> the same with one."""
ALL, NOT_TRIED = "**all**", "not tried"
SAID = {"rrf": "RRF", "late": "late interaction", "learned": "the controller that ships"}


def graph_text(folder: Path) -> str | None:
    """Evidence found with and without the edges of each linker, all sets pooled and one by one."""
    paths = sorted((folder / "graph_text").glob("*.json"))
    if not paths:
        return None
    title = (
        "**Texts alone beside texts and edges (`benchmarks/graph_text.py LINKER`).** Share of questions with all "
        "evidence in view, held-out streams, the same read budget in each line; in brackets the gain over the same "
        "ranking of texts alone with its 95 % interval (paired bootstrap over questions)."
    )
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    names = list(dict.fromkeys(name for run in runs for name in run["sets"]))
    lines = []
    for run in runs:
        for budget in sorted({key for one in run["sets"].values() for key in one if key.isdigit()}, key=int):
            of_set = {name: one[budget] for name, one in run["sets"].items()}
            if len(of_set) == len(names):
                common = set.intersection(*(set(rows) for rows in of_set.values()))
                of_set[ALL] = {row: "".join(rows[row] for rows in of_set.values()) for row in common}
            for plain, row in ((plain, row) for plain, wider in ROWS.items() for row in wider):
                cells = [_cell(of_set.get(name, {}), row, plain) for name in (*names, ALL)]
                if any(cell != NOT_TRIED for cell in cells):
                    lines.append([budget, run["linker"], f"{SAID[plain]}, {row.partition(', ')[2]}", *cells])
    return f"{title}\n\n{table(['tokens', 'linker', 'row', *names, ALL], lines)}"


def _cell(rows: Mapping[str, str], row: str, plain: str) -> str:
    return _beside(rows[row], rows[plain]) if row in rows else NOT_TRIED


def _beside(one: str, other: str) -> str:
    wide, plain = (np.array([float(digit) for digit in digits]) for digits in (one, other))
    return f"{wide.mean():.3f} ({gain(wide, plain)})"
