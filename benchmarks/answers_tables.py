"""The tables of docs/answers.md, from results/answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from other_tables import table
from reading_tables import DRAWS, gain

# Shapes: Q questions.

NAMES = {
    "none": "no memory", "window": "window", "bm25_archive": "`bm25_archive`", "bm25": "BM25", "rrf": "RRF",
    "late_interaction": "late interaction", "shipped": "learned", "evidence": "evidence",
    "own": "what the run's own controller chose",
}  # fmt: skip
FIRST = ("none", "bm25_archive", "rrf", "shipped", "evidence")
"""Rows without which a question is not counted."""
KINDS = 6
"""A set with more kinds of question is told as one."""
AGAINST = ("bm25_archive", "rrf")
COUNTED = (
    "Token F1 as the environment judges it (LoCoMo by its own categories, without the adversarial ones), greedy "
    "answers of at most 16 tokens; 256 tokens in view in every row but `bm25_archive`, which brings in four hits, and "
    "`evidence`, which brings in what the answer rests on. The last columns are learned less the other, with 95 % "
    "intervals by paired bootstrap over questions ({draws} draws)."
)


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {"answers": _answers, "answers_start": _start, "answers_joint": _joint}


def _answers(folder: Path) -> str | None:
    told = _read(folder, "warm")
    if told is None:
        return None
    asked = _whole(told["questions"], FIRST)
    rows = [row for row in NAMES if all(row in one["f1"] for one in asked)]
    head = ["set", "kind of question", "questions", *(NAMES[row] for row in rows)]
    head += [f"learned − {NAMES[row]}" for row in AGAINST]
    lines = []
    for name in dict.fromkeys(one["set"] for one in sorted(asked, key=lambda one: one["set"])):
        mine = [one for one in asked if one["set"] == name]
        kinds = sorted({one["category"] for one in mine})
        if 1 < len(kinds) <= KINDS:
            lines += [_line([name, kind], [one for one in mine if one["category"] == kind], rows) for kind in kinds]
        lines.append(_line([name, "all"], mine, rows))
    lines.append(_line(["**both**", "all"], asked, rows))
    shares = [f"{np.mean([one['in_view'][row] for one in asked]):.3f}" for row in rows]
    lines.append(["both", "*all evidence in view*", str(len(asked)), *shares, "", ""])
    title = (
        f"**The answer (`benchmarks/answers.py`).** SmolLM2-135M after a warm start on "
        f"{8 * told['warm_steps']} lessons of training streams, {len(asked)} of {told['asked']} questions in a drawn "
        "order. "
    )
    return f"{title}{COUNTED.format(draws=DRAWS)}\n\n{table(head, lines)}"


def _start(folder: Path) -> str | None:
    """What the warm start gives: the same questions and views before and after it."""
    title = (
        "**What the warm start gives.** The same questions over the same views, read by the model as it comes and "
        "after the warm start; the difference with its 95 % interval."
    )
    return _compared(folder, {"zero": "as it comes", "warm": "warm-started"}, lambda _: title)


def _joint(folder: Path) -> str | None:
    """What RL of the reader adds to its warm start, over the same views and over those of each run's controller."""

    def title(run: Mapping[str, Any]) -> str:
        return (
            f"**RL on F1 (`benchmarks/answers.py joint`).** {run['steps']} steps from the warm start, {run['answers']} "
            "sampled answers on training streams; the same questions over the same views, read by the model after the "
            "warm start and after RL; in the last row each over the views of its own run, in one of which only the "
            "controller learned. The difference with its 95 % interval."
        )

    return _compared(folder, {"frozen": "warm-started", "joint": "after RL"}, title)


def _compared(folder: Path, readers: Mapping[str, str], title: Callable[[Any], str]) -> str | None:
    """A section on two readers, file -> how it is called; None where one of them is missing."""
    before, after = (_read(folder, name) for name in readers)
    if before is None or after is None:
        return None
    return f"{title(after.get('run'))}\n\n{_beside(before, after, tuple(readers.values()))}"


def _beside(before: Mapping[str, Any], after: Mapping[str, Any], names: Sequence[str]) -> str:
    """Two readers on the questions that both have answered, row by row."""
    old = {(one["set"], one["id"]): one["f1"] for one in before["questions"]}
    pairs_of: dict[str, list[tuple[float, float]]] = {}
    for row in NAMES:
        pairs_of[row] = [
            (old[one["set"], one["id"]][row], one["f1"][row])
            for one in after["questions"]
            if row in one["f1"] and row in old.get((one["set"], one["id"]), {})
        ]
    lines = []
    most = max(map(len, pairs_of.values()))
    # A row that was read only where its view is another's is no sample of the questions.
    for row in (row for row, pairs in pairs_of.items() if pairs and 2 * len(pairs) >= most):
        left_Q, right_Q = np.array(pairs_of[row]).T
        shares = [f"{side_Q.mean():.3f}" for side_Q in (left_Q, right_Q)]
        lines.append([NAMES[row], str(len(left_Q)), *shares, gain(right_Q, left_Q)])
    return table(["in view", "questions", *names, "difference"], lines)


def _line(about: list[str], asked: Sequence[Mapping[str, Any]], rows: Sequence[str]) -> list[str]:
    f1_Q = {row: np.array([one["f1"][row] for one in asked]) for row in rows}
    gains = [gain(f1_Q["shipped"], f1_Q[row]) for row in AGAINST]
    return [*about, str(len(asked)), *(f"{f1_Q[row].mean():.3f}" for row in rows), *gains]


def _whole(asked: Sequence[Mapping[str, Any]], rows: Sequence[str]) -> list[Mapping[str, Any]]:
    return [one for one in asked if all(row in one["f1"] for row in rows)]


def _read(folder: Path, name: str) -> dict[str, Any] | None:
    path = folder / "answers" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
