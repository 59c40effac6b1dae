"""The table of docs/textworld.md, from results/textworld."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from acting_tables import HEAD, interval, over_seeds
from other_tables import of_seeds, table

Found = dict[str, Any]


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes the section from the folder of results; None where there are none."""
    return {
        "textworld": lambda folder: of_seeds(textworld, folder / "textworld"),
        "textworld_few": lambda folder: of_seeds(few, folder / "textworld_few"),
        "textworld_more": lambda folder: of_seeds(more, folder / "textworld_more"),
    }


NAMES = {
    "scorer": "trained memory", "untrained": "the same scorer, untrained", "none": "no memory", "oracle": "best keeper",
    "bm25_archive": "BM25 over everything", "full_context": "full context",
}  # fmt: skip
"""Rows of TextWorld that say more under another name."""


def textworld(runs: Sequence[Found]) -> str:
    """Memory, and what reward added to the warm start, on unseen games; then in longer episodes."""
    one = runs[0]
    title = (
        f"**TextWorld cooking (`benchmarks/textworld_cooking.py`).** {len(runs)} seed(s), {one['episodes']} "
        f"unseen games each, commands drawn as in training; a share of a game's points. {one['memory_tokens']} words "
        f"of memory and {one['read_tokens']} in view in every row but full context. {one['tries']} tries of RL at "
        f"{one['games']} games after {one['walkthroughs']} walkthroughs; "
        f"{mean(run['train_cpu_seconds'] for run in runs):.0f} s of a core a run, warm start included. One play by "
        f"chance: {mean(run['floor'] for run in runs):.3f}."
    )
    rows = [_played(NAMES.get(name, name), [run["rows"][name] for run in runs]) for name in one["rows"]]
    rows += [
        _played(f"{NAMES.get(name, name)}, before RL", [run["before"][name] for run in runs]) for name in one["before"]
    ]
    taught = [run["taught_window"] for run in runs if "taught_window" in run]
    rows += [
        _played(f"window, its policy taught with it, {when} RL", [run[when] for run in taught])
        for when in ("before", "after")
        if taught
    ]
    likeliest = [run["greedy"] for run in runs if "greedy" in run]
    rows += [
        [*over_seeds(f"trained memory, {when} RL, always the likeliest", [run[when] for run in likeliest]), "", ""]
        for when in ("before", "after")
        if likeliest
    ]
    far = [run["long"] for run in runs if "long" in run]
    if far:
        rows += [
            _played(f"{NAMES.get(name, name)}, {far[0]['commands']} commands", [run["rows"][name] for run in far])
            for name in far[0]["rows"]
        ]
    return f"{title}\n\n{table((*HEAD, 'words a step', 'ms a step'), rows)}"


def more(runs: Sequence[Found]) -> str:
    """The same with more of it."""
    return few(runs, "more")


def few(runs: Sequence[Found], command: str = "few") -> str:
    """What reward adds to a warm start of few walkthroughs, run by run."""
    one = runs[0]
    what = f"`benchmarks/textworld_cooking.py {command}`, {one['steps']} steps"
    title = (
        f"**RL after {one['walkthroughs']} walkthroughs ({what}).** {len(runs)} seeds "
        f"({', '.join(str(run['seed']) for run in runs)}: as many as there was time for), {one['tries']} tries "
        f"of RL each; {one['episodes']} unseen games before and after, commands drawn as in training."
    )
    rows = [_played(f"trained memory, {when} RL", [run[when] for run in runs]) for when in ("before", "after")]
    gains = [run["after"]["success"] - run["before"]["success"] for run in runs]
    low, high = interval(gains)
    rows.append(
        ["gain", f"{mean(gains):.3f}", f"{low:.3f} to {high:.3f}", ", ".join(f"{one:.3f}" for one in gains), "", ""]
    )
    return f"{title}\n\n{table((*HEAD, 'words a step', 'ms a step'), rows)}"


def _played(name: str, rows: Sequence[Found]) -> list[str]:
    """As ``over_seeds``, and what a step read and took."""
    row = over_seeds(name, [row["success"] for row in rows])
    read = mean(row["tokens_per_step"] for row in rows)
    return [*row, f"{read:.0f}", f"{1000 * mean(row['seconds_per_step'] for row in rows):.1f}"]
