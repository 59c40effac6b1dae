"""Learning curves of the pages on acting and on text memory: docs/*_curve.png, from the results of their benchmarks.

python benchmarks/curves.py                                 # draws every curve whose results are there
python benchmarks/curves.py take RESULT.json RUN            # puts a run's curve into its result file

A curve is the success of the episodes that a training step played, sampled, on training tasks: each seed's own values
are thin, the mean over seeds of the last few steps is thick.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from text_memory_tables import KINDS

from memrl.reporting.plots import trailing_mean

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SMOOTHED = 5
"""Steps of a trailing mean."""
Curves = Mapping[str, Sequence[Sequence[float]]]
"""Label -> success by step, of each seed."""


def curve_of(run: Path) -> list[float]:
    """Success by training step, of a run folder."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [round(json.loads(line)["success"], 4) for line in lines]


def found(pattern: str) -> list[list[float]]:
    """Curves of the result files that have one, by seed."""
    told = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob(pattern)))
    return [curve for one in told if (curve := one.get("curve"))]


def pages() -> dict[str, Curves]:
    """Picture -> its curves."""
    return {
        "toolworld_curve": {"policy and memory": found("toolworld/*.json")},
        "textworld_curve": {
            "after 80 walkthroughs": found("textworld/*.json"),
            "after 8 walkthroughs": found("textworld_few/*.json"),
        },
        "text_memory_curve": {kind: found(f"text_memory/{kind}-*.json") for kind in KINDS},
    }


def draw(curves: Curves, path: Path) -> None:
    """One panel; lines of unequal length are cut to the shortest of their label."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots()
    for place, (label, seeds) in enumerate(curves.items()):
        if not seeds:
            continue
        length = min(map(len, seeds))
        rows = np.array([seed[:length] for seed in seeds])
        steps = np.arange(1, length + 1)
        for row in rows:
            axes.plot(steps, row, color=f"C{place}", alpha=0.2, linewidth=0.7)
        count = f"{len(seeds)} seeds" if len(seeds) > 1 else "1 seed"
        axes.plot(
            steps,
            trailing_mean(rows.mean(0).tolist(), SMOOTHED),
            color=f"C{place}",
            linewidth=2,
            label=f"{label} ({count})",
        )
    axes.set(xlabel="training step", ylabel="success while sampling", ylim=(0, 1.02))
    axes.grid(alpha=0.2)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["take"]:
        file, run = map(Path, arguments[1:])
        told = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**told, "curve": curve_of(run)}, indent=1) + "\n", encoding="utf-8")
        return
    for name, curves in pages().items():
        if any(curves.values()):
            draw(curves, ROOT / "docs" / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
