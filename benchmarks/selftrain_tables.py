"""Tables about self-training: curricula, reflection, collapse. Each from its own result files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from other_tables import of_file


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results, which is the benchmarks' own; None where there are none."""
    return {
        "curriculum": lambda folder: curriculum() if any((folder / "curriculum").glob("*.json")) else None,
        "reflection": lambda folder: reflection() if any((folder / "reflection").glob("*.json")) else None,
        "collapse": partial(of_file, collapse),
    }


def curriculum() -> str:
    import curriculum as benchmark

    title = (
        "**Curricula at equal cost (`curriculum.py`).** The controller alone, from scratch, read without error; every "
        "arm stops at as many tokens, of rejected candidates too. H1: the base task, new names. H2: twice the "
        "things, four times the delay, half the budget. Intervals: bootstrap over seeds."
    )
    coins = (
        "With a tenth of the task space coin flips; the last column is the share of the cost that was spent on them."
        f"\n\n{benchmark.table(True)}"
    )
    return "\n\n".join([title, benchmark.table(False), *([coins] if benchmark.table(True).count("\n") > 1 else [])])


def reflection() -> str:
    import reflection as benchmark

    title = (
        "**Reflection at equal cost (`reflection.py`).** The controller alone, from scratch, read without error; every "
        f"arm stops at {benchmark.BUDGET / 1e6:.1f} million tokens and environment steps, of replays and siblings too. "
        "What counts is the first attempt without any rule in view. Intervals over seeds, Student's t."
    )
    return f"{title}\n\n{benchmark.table().strip()}"


def collapse(found: Mapping[str, Any]) -> str:
    """First and last stretch of every arm."""
    title = (
        f"**{found['steps']} steps with the guards on and off (`collapse.py`).** A tiny world, the controller alone "
        "and the network that proposes tasks. Variety: share of different signatures among 24 written tasks in a row."
    )
    names = ("variety", "proposer_entropy", "anchor_success")
    lines = [
        "| guards | seed | variety, first to last | proposer entropy | held-out success | alarms |",
        "|" + "---|" * 6,
    ]
    for arm in found["arms"]:
        first, last = arm["parts"][0], arm["parts"][-1]
        cells = [f"{_number(first[name])} to {_number(last[name])}" for name in names]
        alarms = ", ".join(f"{name} ({at['steps']})" for name, at in arm["alarms"].items()) or "none"
        lines.append(f"| {'on' if arm['guards'] else 'off'} | {arm['seed']} | {' | '.join(cells)} | {alarms} |")
    return "\n".join([title, "", *lines])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
