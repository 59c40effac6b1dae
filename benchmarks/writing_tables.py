"""The table of docs/writing.md, from results/writing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from other_tables import table
from reading_tables import DRAWS, Right, gain

ROWS = ("fifo", "random", "longest", "novel", "learned")
Held = Mapping[str, Mapping[str, Right]]
"""Set -> row -> whether the evidence of each question is all still held."""


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {
        "writing": lambda folder: section(folder, "retention", "`benchmarks/writing.py`"),
        "writing_locomo": lambda folder: section(
            folder, "locomo2048", "`benchmarks/writing.py train --sets locomo --tokens 2048`"
        ),
    }


def section(folder: Path, runs_of: str, command: str) -> str | None:
    """Runs of one kind, one a fold, put behind each other; a set's own split is in every one of them."""
    runs = [json.loads(path.read_text(encoding="utf-8"))["held"] for path in sorted(folder.glob(f"writing/{runs_of}*"))]
    if not runs:
        return None
    head = ["memory", "set", "answers looked at", *ROWS, "learned − best unlearned"]
    lines = []
    for share in runs[0]:
        every = [run[share] for run in runs if share in run]
        of_set = {name: _joined([one[name] for one in every if name in one]) for name in every[0]}
        if len(of_set) > 1:
            of_set["**all questions**"] = _joined(list(of_set.values()))
        size = f"{float(share):.0%}" if float(share) <= 1 else f"{int(share):,} tokens"
        lines += [_line(size, name, rows) for name, rows in of_set.items()]
    title = (
        f"**Evidence still held at the end of the stream ({command}).** Share of questions, of any one accepted set; "
        f"the last column with a 95 % interval by paired bootstrap over questions ({DRAWS} draws)."
    )
    return f"{title}\n\n{table(head, lines)}"


def _joined(runs: list[Mapping[str, Right]]) -> dict[str, Right]:
    return {row: np.concatenate([np.asarray(run[row], dtype=float) for run in runs]) for row in ROWS}


def _line(size: str, name: str, rows: Mapping[str, Right]) -> list[str]:
    best = max(ROWS[:-1], key=lambda row: rows[row].mean())
    shares = [f"{rows[row].mean():.3f}" for row in ROWS]
    return [size, name, str(len(rows[best])), *shares, gain(rows["learned"], rows[best])]
