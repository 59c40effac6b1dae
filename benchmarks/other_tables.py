"""Tables of the README that are not evaluations: credit against its ground truth, and speed. Each from its own file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Found = Mapping[str, Any]


def sections(folder: Path) -> list[str]:
    """One section a result file that is there."""
    made: list[tuple[str, Callable[[Found], str]]] = [
        ("credit_truth", credit_truth), ("controller", controller), ("learner", learner), ("kill_resume", kill_resume)
    ]  # fmt: skip
    found = [(folder / f"{name}.json", section) for name, section in made]
    return [section(json.loads(path.read_text(encoding="utf-8"))) for path, section in found if path.exists()]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)])


def credit_truth(found: Found) -> str:
    """Estimators by rank correlation, best first."""
    options = found["options"]
    title = (
        f"**Credit against its ground truth (`credit_truth.py`).** {found['worlds']} small worlds, {found['ops']} "
        "memory ops of a partly trained controller; the truth is the mean return over "
        f"{options['continuations']} continuations after the op, minus the same after Keep in its place. "
        "Intervals: bootstrap over worlds."
    )
    ranked = sorted(found["rows"].items(), key=lambda item: -item[1]["value"]["spearman"])
    rows = [
        [
            f"`{name}`",
            f"{row['value']['spearman']:.3f}",
            "{:.3f} to {:.3f}".format(*row["value"]["ci95"]),
            f"{row['tokens_per_world']:,.0f}",
            f"{1000 * row['seconds_per_world']:.0f}",
        ]
        for name, row in ranked
    ]
    head = ["estimator", "Spearman", "95 % interval", "extra tokens read a world", "ms a world"]
    return f"{title}\n\n{table(head, rows)}"


def controller(found: Found) -> str:
    title = (
        f"**Controller decisions per second (`controller.py`).** {found['episodes']} episodes at a time, {_on(found)}."
    )
    rows = [
        ["the controller alone: features in, ops out", f"{found['choose_decisions_per_second']:,.0f}"],
        ["the whole of play: world, offers, network, stores, reader", f"{found['play_decisions_per_second']:,.0f}"],
    ]
    return f"{title}\n\n{table(['what', 'decisions/s'], rows)}"


def learner(found: Found) -> str:
    title = (
        "**The learner against a bare pass (`learner.py`).** Speed relative to forward and backward over exactly the "
        f"trained rows; medians, variants in turns; {_on(found)}."
    )
    models = list(found["models"])
    variants = list(found["models"][models[0]]["seconds"])
    rows = [[name, *(_speed(found["models"][model]["seconds"], name) for model in models)] for name in variants]
    return f"{title}\n\n{table(['variant', *models], rows)}"


def kill_resume(found: Found) -> str:
    title = "**Killed and resumed (`kill_resume.py`).** SIGKILL, then `--resume`; compared are metrics and checkpoints."
    rows = [
        ["at random moments", str(found["random_kills"]), str(found["random_identical"])],
        ["at points where files are half done", str(found["points"]), str(found["points_identical"])],
    ]
    return f"{title}\n\n{table(['killed', 'kills', 'ended bit-identical'], rows)}"


def _speed(seconds: Mapping[str, float], name: str) -> str:
    return f"{seconds['bare pass (floor)'] / seconds[name]:.2f}"


def _on(found: Found) -> str:
    machine = found["machine"]
    return f"{machine['threads']} thread(s) of {machine['cpu']}"
