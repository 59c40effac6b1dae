"""The tables of docs/acting.md, from results/keydoor, acting_credit, popgym and slow_env.json, and of plans in
docs/memworld.md, from results/act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from other_tables import of_file, of_seeds, table

Found = dict[str, Any]
T_OF = {
    2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262, 11: 2.228, 12: 2.201,
    13: 2.179, 14: 2.160, 15: 2.145, 16: 2.131, 17: 2.120, 18: 2.110, 19: 2.101, 20: 2.093,
}  # fmt: skip
"""Seeds -> Student's t of a 95 % interval over them."""


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {
        "keydoor": lambda folder: of_seeds(keydoor, folder / "keydoor"),
        "popgym": lambda folder: of_seeds(popgym, folder / "popgym"),
        "acting_credit": lambda folder: of_seeds(acting_credit, folder / "acting_credit"),
        "acting_credit_plans": lambda folder: of_seeds(acting_credit_plans, folder / "acting_credit_plans"),
        "act": lambda folder: of_seeds(act, folder / "act"),
        "slow_env": lambda folder: of_file(slow_env, folder),
    }


def over_seeds(name: str, values: Sequence[float]) -> list[str]:
    """A row: the mean, its interval over seeds, and each seed."""
    low, high = interval(values)
    low, high = max(low, 0.0), min(high, 1.0)
    return [name, f"{mean(values):.3f}", f"{low:.3f} to {high:.3f}", ", ".join(f"{value:.3f}" for value in values)]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of a mean over seeds; of one seed that value."""
    half = T_OF[len(values)] * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return mean(values) - half, mean(values) + half


HEAD = ("", "success", "95 % over seeds", "each seed")


def keydoor(runs: Sequence[Found]) -> str:
    """What memory and what policy gradient are worth."""
    one = runs[0]
    title = (
        f"**keydoor (`benchmarks/keydoor.py SEED`).** {one['episodes']} held-out games of 60 steps for each seed, "
        f"greedy; {one['memory_tokens']} tokens of memory, {one['read_tokens']} in view, in every row. "
        f"{one['steps']} steps of training, {mean(run['train_seconds'] for run in runs):.0f} s a run, three runs and "
        "another job side by side on two cores."
    )
    rows = [over_seeds(name, [run["rows"][name]["success"] for run in runs]) for name in one["rows"]]
    rows += [
        over_seeds(f"policy {when} RL, sampled", [mean(run["sampled"][when]) for run in runs])
        for when in ("before", "after")
    ]
    return f"{title}\n\n{table(HEAD, rows)}"


def popgym(runs: Sequence[Found]) -> str:
    """The scorer beside rules, at the length it was trained on and at eight times that."""
    one = runs[0]
    title = (
        f"**PopGym's RepeatFirst in words (`benchmarks/popgym_text.py SEED`).** Four cards fit into memory "
        f"({one['memory_tokens']} tokens). {one['steps']} steps of training on one deck; an exact reader answers in "
        "every row. A guess is right in a quarter of the games. Intervals are over seeds; "
        + "; ".join(f"{decks} deck(s): {found['episodes']} games a seed" for decks, found in one["decks"].items())
        + "."
    )
    rows = [
        over_seeds(f"{name}, {52 * int(decks)} cards", [run["decks"][decks]["rows"][name]["success"] for run in runs])
        for decks, found in one["decks"].items()
        for name in found["rows"]
    ]
    return f"{title}\n\n{table(HEAD, rows)}"


def acting_credit(runs: Sequence[Found]) -> str:
    """Episodes until the score is reached and held for one more look, and what they cost, for games of each length."""
    one = runs[0]
    title = (
        "**Credit for memory ops in keydoor (`benchmarks/acting_credit.py STEPS SEED`).** A rule reads memory, so that "
        "credit reaches memory ops alone; memory holds one note a door and hardly more. Until "
        f"{one['bar']:.0%} of the doors of {one['games']} held-out games open, twice in a row, looked at after every "
        f"{one['group'][0]} × {one['group'][1]} episodes, at the same learning rate. Environment steps and processor "
        "seconds include continuations. Mean (each seed)."
    )
    rows = []
    for steps in sorted({run["game"]["steps"] for run in runs}):
        of_length = [run for run in runs if run["game"]["steps"] == steps]
        for name in of_length[0]["estimators"]:
            until = [_reached(run["estimators"][name]["curve"], run["bar"]) for run in of_length]
            figures = [_with_each([look[key] for look in until]) for key in ("episodes", "env_steps", "cpu_seconds")]
            rows.append([f"`{name}`, {steps} steps, {of_length[0]['game']['doors']} doors", *figures])
    return f"{title}\n\n{table(('estimator', 'episodes', 'environment steps', 'processor seconds'), rows)}"


def acting_credit_plans(runs: Sequence[Found]) -> str:
    """The same where plans are carried out on signals, whose actions change nothing that follows."""
    one = runs[0]
    tasks, tries = one["group"]
    title = (
        "**Credit for memory ops where plans are carried out (`benchmarks/acting_credit.py act SEED`).** MemWorld's "
        f"plans and signals, {one['theta']['horizon']} steps, {one['memory_tokens']} words and marks of memory; an "
        f"exact reader acts. Until {one['bar']:.0%} of what is asked on {one['tasks']} held-out tasks is right, twice "
        f"in a row, looked at after every {one['every']} steps of {tasks} × {tries} episodes, at the same learning "
        "rate. Processor seconds include continuations and replays. Mean (each seed)."
    )
    rows = []
    for name in one["estimators"]:
        until = [_reached(run["estimators"][name]["curve"], run["bar"]) for run in runs]
        rows.append([f"`{name}`", *(_with_each([look[key] for look in until]) for key in ("episodes", "cpu_seconds"))])
    return f"{title}\n\n{table(('estimator', 'episodes', 'processor seconds'), rows)}"


def _with_each(values: Sequence[float]) -> str:
    return f"{mean(values):,.0f} ({', '.join(f'{value:,.0f}' for value in values)})"


def _reached(curve: Sequence[Found], bar: float) -> Found:
    """The first of two looks in a row at or above the bar.

    Raises:
        ValueError: it was never reached.
    """
    for first, second in pairwise(curve):
        if min(first["success"], second["success"]) >= bar:
            return first
    raise ValueError(f"acting_credit: no two looks in a row at {bar} or above; train longer (STEPS)")


def act(runs: Sequence[Found]) -> str:
    """A scorer that keeps plans and what they rest on, beside rules, by kind of question."""
    one = runs[0]
    title = (
        f"**Plans and signals (`benchmarks/act.py SEED`).** {one['episodes']} held-out tasks of {one['horizon']} "
        f"steps, the same for each seed, names and phrasings held out; {one['memory_budget_tokens']} words and "
        f"punctuation marks of memory, an exact reader in every row. {one['steps']} steps of training, "
        f"{mean(run['seconds'] for run in runs):.0f} s a run, other work beside it. The best keeper has "
        f"{one['oracle']:.3f}. Rules are the same for every seed."
    )
    by_name = [{row["controller"]: row["categories"] for row in run["rows"]} for run in runs]
    rows = [
        over_seeds(f"{name}, {kind}", [rows[name][kind] for rows in by_name])
        for kind in ("act", "latest")
        for name in by_name[0]
    ]
    return f"{title}\n\n{table(HEAD, rows)}"


def slow_env(found: Found) -> str:
    """Seconds of both ways to call a slow environment."""
    title = (
        f"**Slow environments (`benchmarks/slow_env.py`).** {found['episodes']} episodes of {found['calls']} calls "
        f"that take {1000 * found['call_seconds']:.0f} ms each."
    )
    rows = [
        ["one after the other", f"{found['one_after_the_other']:.2f}", ""],
        ["side by side", f"{found['side_by_side']:.2f}", f"{found['times']:.1f} times as fast"],
    ]
    return f"{title}\n\n{table(('', 'seconds', ''), rows)}"
