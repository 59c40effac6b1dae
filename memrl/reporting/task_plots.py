"""The picture of a curriculum: which skills were weak, which tasks were written, what happened to success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from memrl.reporting.plots import trailing_mean
from memrl.reporting.task_report import is_new, played

SHOWN = 14
"""Signatures with a line of their own."""
BINS = 20
"""Columns of the picture of skills."""
_CURVES = (
    ("success", "policy + controller, training tasks", "#1f4e9c"),
    ("practice_success", "controller, read exactly, training tasks", "#d9822b"),
)
Rows = Sequence[Mapping[str, Any]]


def draw_curriculum(rows: Rows, metrics: Rows, path: Path) -> None:
    """Write a PNG of three panels over the training step: skills, tasks by where they came from, success."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    last = max([row["step"] for row in (*rows, *metrics)], default=1)
    figure = Figure(figsize=(11, 10), layout="constrained")
    FigureCanvasAgg(figure)
    skills, written, success = figure.subplots(3, 1, sharex=True, height_ratios=[5, 2.5, 2.5])
    _draw_skills(figure, skills, rows, last)
    _draw_written(written, rows, last)
    _draw_success(success, metrics)
    success.set(xlabel="training step", xlim=(0.5, last + 0.5))
    figure.savefig(path, dpi=120)


def _draw_skills(figure: Any, axes: Any, rows: Rows, last: int) -> None:
    """A line a signature, the weakest at first sight on top: colour is success, a dot is a task written for it."""
    names, grid, written = skill_grid(rows, last)
    edges = bin_edges(last)
    mesh = axes.pcolormesh(edges, np.arange(len(names) + 1), grid, cmap="RdYlGn", vmin=0, vmax=1)
    middles = (edges[:-1] + edges[1:]) / 2
    for line, counts in enumerate(written):
        axes.scatter(middles, np.full(len(middles), line + 0.5), s=5 * counts, c="black", linewidths=0)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=7)
    axes.invert_yaxis()
    axes.set_title("skills, the weakest at first sight on top; a dot is tasks newly written", fontsize=10, loc="left")
    figure.colorbar(mesh, ax=axes, label="success q", fraction=0.03)


def skill_grid(rows: Rows, last: int) -> tuple[list[str], Any, Any]:
    """Names of the K most visited signatures; [K, B] mean q of their visits, NaN where none; [K, B] tasks written."""
    visits = [row for row in rows if played(row)]
    common = [name for name, _ in Counter(row["signature"] for row in visits).most_common(SHOWN)]
    edges = bin_edges(last)
    total, count, written = (np.zeros((len(common), len(edges) - 1)) for _ in range(3))
    for row in visits:
        if row["signature"] in common:
            at = common.index(row["signature"]), int(np.searchsorted(edges, row["step"], side="right")) - 1
            total[at] += row["q"]
            count[at] += 1
            written[at] += is_new(row)
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    first = [line[~np.isnan(line)][0] for line in mean]
    order = sorted(range(len(common)), key=lambda i: (first[i], common[i]))
    return [common[i] for i in order], mean[order], written[order]


def bin_edges(last: int) -> Any:
    """Edges of at most ``BINS`` columns that cover the steps 1 to ``last``, each some whole steps wide."""
    return np.round(np.linspace(0, last, min(BINS, last) + 1)) + 0.5


def _draw_written(axes: Any, rows: Rows, last: int) -> None:
    """Tasks a step, stacked by source; what was turned away hangs below."""
    from matplotlib import colormaps

    edges, accepted = bin_edges(last), [row for row in rows if row["accepted"]]
    width = np.diff(edges)
    middles, base = (edges[:-1] + edges[1:]) / 2, np.zeros(len(edges) - 1)
    sources = sorted({str(row.get("source") or "") for row in accepted})
    for i, source in enumerate(sources):
        steps = [row["step"] for row in accepted if (row.get("source") or "") == source]
        height = np.histogram(steps, edges)[0] / width
        axes.bar(middles, height, width, bottom=base, label=source, color=colormaps["tab10"](i % 10))
        base = base + height
    turned = np.histogram([row["step"] for row in rows if not row["accepted"]], edges)[0] / width
    axes.bar(middles, -turned, width, label="rejected", color="0.6")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(ylabel="tasks a step")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _draw_success(axes: Any, metrics: Rows) -> None:
    window = max(1, len(metrics) // 20)
    for name, label, color in _CURVES:
        points = [(line["step"], line[name]) for line in metrics if line.get(name) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            axes.plot(steps, trailing_mean(values, window), color=color, linewidth=2, label=label)
    looks = [line for line in metrics if line.get("anchor_success") is not None]
    if looks:
        steps, values = [line["step"] for line in looks], [line["anchor_success"] for line in looks]
        axes.plot(steps, values, "o--", color="black", markersize=4, label="held-out anchors, read exactly")
    for line in looks:
        if line.get("rolled_back"):
            axes.axvline(line["step"], color="red", linewidth=1)
    axes.set(ylabel="success", ylim=(-0.02, 1.02))
    axes.grid(alpha=0.2)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
