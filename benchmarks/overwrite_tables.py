"""The table of docs/overwrite.md, from results/overwrite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from acting_tables import over_seeds
from other_tables import of_seeds, table

Found = dict[str, Any]
HEAD = (
    "", "success", "95 % over seeds", "each seed", "words read / written a sentence", "CPU ms a sentence"
)  # fmt: skip


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {"overwrite": lambda folder: of_seeds(overwrite, folder / "overwrite")}


def overwrite(runs: Sequence[Found]) -> str:
    """Before RL and after, beside a scorer, at both lengths."""
    one = runs[0]
    rows = [name for name in one["rows"] if all(name in run["rows"] for run in runs)]
    warm, after = one["warm_start"], one["rows"]["after RL"]
    lengths = [name for name, found in after.items() if isinstance(found, dict)]
    played = ", ".join(
        f"{after[name]['episodes']} of {name} "
        f"({mean(run['rows']['after RL'][name]['writes_per_episode'] for run in runs):.1f} on average)"
        for name in lengths
    )
    title = (
        f"**One text, rewritten (`benchmarks/overwrite.py SEED`).** {len(runs)} seeds; tasks a seed: {played}; greedy; "
        f"{one['memory_tokens']} words of memory. Warm start: {warm['steps']} steps of {warm['batch_size']} rows from "
        f"{warm['memory_tasks']} tasks, {_cpu(runs, 'warm start'):.0f} s of a core; RL: {one['rl_steps']} steps of "
        f"{one['episodes_per_step']} episodes, {_cpu(runs, 'after RL'):.0f} s with it; the scorer's run, as many "
        f"episodes, {_cpu(runs, 'scorer'):.0f} s. A sentence is a step of the world; marks count as words."
    )
    lines = [
        _line(f"{row}, {length}", [run["rows"][row][length] for run in runs]) for length in lengths for row in rows
    ]
    return f"{title}\n\n{table(HEAD, lines)}"


def _cpu(runs: Sequence[Found], row: str) -> float:
    return mean(run["rows"][row]["train_cpu_seconds"] for run in runs)


def _line(name: str, found: Sequence[Found]) -> list[str]:
    def average(key: str) -> float:
        return mean(one[key] for one in found)

    cost = f"{average('tokens_read_per_step'):.1f} / {average('tokens_written_per_step'):.2f}"
    return [
        *over_seeds(name, [one["success"] for one in found]),
        cost,
        f"{1000 * average('cpu_seconds_per_step'):.2f}",
    ]
