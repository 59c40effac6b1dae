"""The picture of a run: success by step over the baselines, and what the curriculum drew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CELL = "curriculum/"
_LINES = (
    ("success", "policy + controller, training tasks", "#1f4e9c"),
    ("practice_success", "controller, read exactly, training tasks", "#d9822b"),
)


def draw_curve(metrics: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any] | None, path: Path) -> None:
    """Write a PNG. ``metrics`` has one mapping a step; the rows of ``evaluation`` become horizontal lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cells = in_order_drawn(metrics)
    figure = Figure(figsize=(10, 7 if cells else 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2 if cells else 1, 1, sharex=True, squeeze=False, height_ratios=[3, 2] if cells else [1])
    _draw_success(panels[0][0], metrics, evaluation)
    if cells:
        _draw_cells(panels[1][0], metrics, cells)
    panels[-1][0].set_xlabel("training step")
    figure.savefig(path, dpi=120)


def _draw_success(axes: Any, metrics: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any] | None) -> None:
    window = max(1, len(metrics) // 20)
    for name, label, color in _LINES:
        points = [(line["step"], line[name]) for line in metrics if line.get(name) is not None]
        if points:
            steps, values = zip(*points, strict=True)
            axes.plot(steps, values, color=color, alpha=0.25, linewidth=1)
            axes.plot(steps, trailing_mean(values, window), color=color, linewidth=2, label=label)
    if evaluation is not None:
        _draw_rows(axes, evaluation, metrics[-1]["step"] if metrics else 0)
    mean = f" (mean of the last {window})" if window > 1 else ""
    axes.set(ylabel=f"success{mean}", ylim=(-0.02, 1.02))
    axes.grid(alpha=0.2)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _draw_rows(axes: Any, evaluation: Mapping[str, Any], last: int) -> None:
    from matplotlib import colormaps

    rows, own = evaluation["rows"], evaluation.get("own", "scorer")
    others = sorted((row for row in rows if row["controller"] != own), key=lambda row: -row["success"])
    for i, row in enumerate(others):
        label = f"{row['controller']} {row['success']:.2f}"
        axes.axhline(
            row["success"], color=colormaps["tab20"](2 * i % 20 + i // 10), linestyle="--", linewidth=1, label=label
        )
    for row in rows:
        if row["controller"] == own:
            low, high = (row["success"] if end is None else end for end in row["ci95"])
            reach = [[row["success"] - low], [high - row["success"]]]
            label = f"trained, held out {row['success']:.2f}"
            axes.errorbar([last], [row["success"]], yerr=reach, fmt="*", color="black", markersize=11, label=label)


def _draw_cells(axes: Any, metrics: Sequence[Mapping[str, Any]], cells: Sequence[str]) -> None:
    from matplotlib import colormaps

    shares = [[line.get(cell) or 0.0 for line in metrics] for cell in cells]
    labels = [cell.removeprefix(CELL) for cell in cells]
    colors = colormaps["viridis"](np.linspace(0.05, 0.95, len(cells)))
    axes.stackplot([line["step"] for line in metrics], shares, labels=labels, colors=colors, step="mid")
    axes.set(ylabel="share of tasks drawn", ylim=(0, 1))
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def in_order_drawn(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the curriculum's metrics, those drawn earliest on average first."""
    shares: dict[str, list[tuple[float, float]]] = {}
    for line in metrics:
        for name, share in line.items():
            if name.startswith(CELL):
                shares.setdefault(name, []).append((line["step"], share or 0.0))

    def when(name: str) -> float:
        drawn = sum(share for _, share in shares[name])
        return sum(step * share for step, share in shares[name]) / drawn if drawn else float("inf")

    return sorted(sorted(shares), key=when)


def trailing_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean of each value and up to ``window - 1`` before it: [2, 4, 9] with window 2 gives [2, 3, 6.5]."""
    return [sum(values[max(0, i + 1 - window) : i + 1]) / min(i + 1, window) for i in range(len(values))]
