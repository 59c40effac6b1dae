"""The tables of docs/reading.md, from results/reading."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from other_tables import table

# Shapes: Q questions.

Right = NDArray[np.float64]
"""[Q] whether all evidence was in view, a mean over seeds where several runs were tried on the same question."""
ROWS = ("bm25", "dense", "rrf", "late_interaction", "learned", "evidence")
NAMES = {"bm25": "BM25", "dense": "MiniLM", "rrf": "RRF of both", "late_interaction": "late interaction"}
BUDGETS = ("128", "256", "512")
DRAWS = 4000


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {
        "reading": lambda folder: _section(folder, "fold", OWN),
        "reading_without": lambda folder: _section(folder, "without", LEFT_OUT),
        "reading_credit": _credit,
        "streamed": _streamed,
        "reading_shipped": lambda folder: _section(folder, "ship", SHIPPED),
    }


OWN = (
    "**Trained on streams of the same kind (`benchmarks/reading.py fold 0`, `1`, `2`; another seed each).** LoCoMo: "
    "two of six dialogues held out in each fold, all three folds pooled. The other sets: their valid streams, a "
    "question counting as the mean over the three runs."
)
LEFT_OUT = (
    "**Tried on a corpus that it never saw (`benchmarks/reading.py without SET`).** For each set a controller that was "
    "trained on the others, on all streams of the set that was left out. One seed each."
)
SHIPPED = (
    "**The controller that ships (`benchmarks/reading.py ship`).** Trained on the training streams of timeqa, "
    "2wiki_qa, hotpotqa, fairytaleqa and sgd_state; tried on their valid streams and on all of LoCoMo and friendsqa, "
    "which it never saw."
)
COUNTED = (
    "Share of questions with all evidence in view; every row fills the same read budget, in tokens of SmolLM2's, out "
    "of the same entries. `evidence` reads what the answer rests on, which may not fit. The last two columns "
    "are learned less RRF and less late interaction, with 95 % intervals by paired bootstrap over questions ({draws} "
    "draws)."
)


def _section(folder: Path, kind: str, title: str) -> str | None:
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "reading").glob(f"{kind}*.json"))]
    if not runs:
        return None
    seconds = [run["train_seconds"] for run in runs]
    trained = f"Training took {min(seconds):.0f} to {max(seconds):.0f} s of one core, other work beside it."
    sets = list(dict.fromkeys(name for run in runs for name in run["sets"]))
    head = [
        "tokens",
        "set",
        "questions",
        *(NAMES.get(row, row) for row in ROWS),
        "learned − RRF",
        "learned − late interaction",
    ]
    lines = []
    for budget in BUDGETS:
        of_set = {name: _pooled([run["sets"][name][budget] for run in runs if name in run["sets"]]) for name in sets}
        lines += [_line(budget, name, rows) for name, rows in of_set.items()]
        if len(of_set) > 1:
            every = {row: np.concatenate([rows[row] for rows in of_set.values()]) for row in ROWS}
            lines.append(_line(budget, "**all questions**", every))
    return f"{title} {COUNTED.format(draws=DRAWS)} {trained}\n\n{table(head, lines)}"


def _credit(folder: Path) -> str | None:
    """The same training under other estimators: success in training by episodes, and on the held-out dialogues."""
    paths = sorted((folder / "reading").glob("credit-*.json"))
    if not paths:
        return None
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    at = [i for i in range(len(runs[0]["episodes"])) if (i + 1) % 3 == 0]
    head = ["credit", *(f"{runs[0]['episodes'][i]} episodes" for i in at), "held out, 256 tokens"]
    lines = []
    for run in runs:
        curve = [np.mean(run["practice_success"][max(i - 2, 0) : i + 1]) for i in at]
        digits = run["sets"]["locomo"]["256"]["learned"]
        held = f"{digits.count('1') / len(digits):.3f}"
        lines.append([f"`{run['what'].removeprefix('credit-')}`", *(f"{value:.3f}" for value in curve), held])
    title = (
        "**Credit for readings (`benchmarks/reading.py credit NAME`).** LoCoMo, four dialogues, one seed; training "
        "success (sampled, all evidence in view) as the mean over three steps, 32 episodes of 40 questions each; then "
        "greedy play of the two held-out dialogues."
    )
    return f"{title}\n\n{table(head, lines)}"


def _streamed(folder: Path) -> str | None:
    """What observing and asking cost as memory grows."""
    path = folder / "streamed.json"
    if not path.exists():
        return None
    rows = [
        [
            f"{int(units):,}", f"{one['observe_ms_median']:.2f}", f"{one['observe_ms_p99']:.2f}",
            f"{one['ask_ms']['first']:.0f}", f"{one['ask_ms']['median']:.0f}", f"{one['resident_mib']:,.0f}",
        ]
        for units, one in json.loads(path.read_text(encoding="utf-8"))["units"].items()
    ]  # fmt: skip
    title = (
        "**A long life (`benchmarks/streamed.py`).** Units streamed into a wrapped agent's archive; milliseconds of "
        "one core beyond the embedding of the text and the language model, other work beside it. `ask` chooses what to "
        "read with the controller that ships, until 256 tokens are in view. Token vectors are drawn, of MiniLM's width."
    )
    head = ["units held", "observe, ms", "99 %", "first ask, ms", "ask, ms", "resident, MiB"]
    return f"{title}\n\n{table(head, rows)}"


def _pooled(runs: Sequence[Mapping[str, str]]) -> dict[str, Right]:
    """Runs on the same questions are averaged, runs on others are put behind each other."""
    same = len({run["evidence"] + run["rrf"] for run in runs}) == 1
    put: Callable[[list[Right]], Any] = (lambda all_: np.mean(all_, axis=0)) if same else np.concatenate
    return {row: put([np.array(list(map(float, run[row]))) for run in runs]) for row in ROWS}


def _line(budget: str, name: str, rows: Mapping[str, Right]) -> list[str]:
    shares = [f"{rows[row].mean():.3f}" for row in ROWS]
    gains = [gain(rows["learned"], rows[row]) for row in ("rrf", "late_interaction")]
    return [budget, name, str(len(rows["rrf"])), *shares, *gains]


def gain(one: Right, other: Right) -> str:
    """The mean difference and its 95 % interval, as a table says it."""
    low, high = difference(one, other)
    return f"{one.mean() - other.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def difference(one: Right, other: Right) -> tuple[float, float]:
    """95 % interval of the mean difference, by bootstrap over questions; the same for the same answers."""
    rng = np.random.default_rng(0)
    apart = one - other
    means = apart[rng.integers(len(apart), size=(DRAWS, len(apart)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
