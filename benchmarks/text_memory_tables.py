"""The tables of docs/text_memory.md, from results/text_memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from acting_tables import interval, over_seeds
from other_tables import table

Found = dict[str, Any]
WHEN = ("warm start", "after RL")
KINDS = ("overwrite", "state", "ops", "hybrid", "scorer")
HEAD = (
    "", "success", "95 % over seeds", "each seed (95 % over tasks)", "words read / written a sentence",
    "CPU ms a sentence",
)  # fmt: skip
AT_ONCE = ("", "2", "4", "8", "16", "16 / 2", "95 % over seeds", "each seed", "peak, 2", "peak, 16", "16 / 2")
OPS_CREDIT = {
    "ops": "multi_conversation",
    "ops_memory_r1": "memory_r1",
    "ops_mem_alpha": "mem_alpha",
    "ops_age_mem": "age_mem",
    "ops_return_to_go": "return_to_go",
}


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {"text_memory": _kinds, "text_memory_credit": _credit, "text_memory_at_once": _at_once}


def _read(folder: Path) -> dict[str, list[Found]]:
    """Kind to its runs, by seed."""
    found = {kind: _runs(folder / "text_memory", f"{kind}-*.json") for kind in KINDS}
    return {kind: runs for kind, runs in found.items() if runs}


def _runs(folder: Path, pattern: str) -> list[Found]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(pattern))]


def _kinds(folder: Path) -> str | None:
    found = _read(folder)
    if not found:
        return None
    one = next(iter(found.values()))[0]
    warm = one["warm_start"]
    lengths = [name for name, row in one["rows"]["after RL"].items() if isinstance(row, dict)]
    cpu = ", ".join(f"{kind} {_cpu(runs):.0f}" for kind, runs in found.items())
    title = (
        f"**Five ways to write, one task (`benchmarks/text_memory.py SEED`).** {_seeds(found)}; greedy; "
        f"{one['memory_tokens']} words of memory; warm start: {warm['steps']} steps of {warm['batch_size']} rows from "
        f"{warm['memory_tasks']} tasks; RL: {one['rl_steps']} steps of {one['episodes_per_step']} episodes in every "
        f"row. CPU seconds of a run: {cpu}. A sentence is a step of the world; marks count as words."
    )
    lines = []
    for length in lengths:
        for kind, runs in found.items():
            for when in WHEN:
                rows = [row[length] for run in runs if (row := run["rows"].get(when)) and length in row]
                lines += [_line(f"{kind}, {when}, {length}", rows)] if rows else []
    return f"{title}\n\n{table(HEAD, lines)}"


def _seeds(found: Mapping[str, Sequence[Found]]) -> str:
    counts = {len(runs) for runs in found.values()}
    if len(counts) == 1:
        return f"{counts.pop()} seeds"
    return "Seeds: " + ", ".join(f"{kind} {len(runs)}" for kind, runs in found.items())


def _credit(folder: Path) -> str | None:
    """``ops`` after RL under each credit, from the same warm start."""
    found = {credit: _runs(folder / "text_memory", f"{name}-*.json") for name, credit in OPS_CREDIT.items()}
    found = {credit: runs for credit, runs in found.items() if runs}
    if len(found) < 2:
        return None
    one = next(iter(found.values()))[0]
    title = (
        f"**The credit of `ops` (`benchmarks/text_memory.py SEED ops_memory_r1 ops_age_mem short`).** {_seeds(found)}; "
        f"the same warm start, tasks and {one['rl_steps']} steps of {one['episodes_per_step']} episodes in every row; "
        "greedy."
    )
    lines = []
    for length in ("8 chunks", "64 chunks"):
        begun = [run["rows"]["warm start"][length] for run in next(iter(found.values()))]
        lines.append(_line(f"warm start, {length}", begun))
        lines += [
            _line(f"`{credit}`, {length}", [run["rows"]["after RL"][length] for run in runs])
            for credit, runs in found.items()
        ]
    return f"{title}\n\n{table(HEAD, lines)}"


def _cpu(runs: Sequence[Found]) -> float:
    return mean(sum(run["rows"][when]["train_cpu_seconds"] for when in WHEN) for run in runs)


def _line(name: str, found: Sequence[Found]) -> list[str]:
    def average(key: str) -> float:
        return mean(one[key] for one in found)

    cost = f"{average('tokens_read_per_step'):.1f} / {average('tokens_written_per_step'):.2f}"
    name, average_of, over, _ = over_seeds(name, [one["success"] for one in found])
    each = ", ".join(f"{one['success']:.3f} ({one['ci95'][0]:.2f} to {one['ci95'][1]:.2f})" for one in found)
    return [
        name,
        average_of,
        over if len(found) > 1 else "-",
        each,
        cost,
        f"{1000 * average('cpu_seconds_per_step'):.2f}",
    ]


def _at_once(folder: Path) -> str | None:
    every = {**_read(folder), "`mem1`": _runs(folder / "text_memory", "mem1-*.json")}
    found = {kind: own for kind, runs in every.items() if (own := [r for r in runs if "at once" in r["rows"]])}
    if not found:
        return None
    names = [name for runs in found.values() for run in runs for name in run["rows"]["at once"]]
    worlds = dict.fromkeys(name.rpartition(",")[0] for name in names)
    lines = []
    for world in worlds:
        for kind, runs in found.items():
            rows = [row for run in runs if f"{world}, 2 questions" in (row := run["rows"]["at once"])]
            lines += [_asked(f"{kind}, {world}", world, rows)] if rows else []
    title = (
        f"**N questions at the end of a text.** Score a question and words of the longest prompt, 2 to 16 questions; "
        f"means over seeds ({_seeds(found)}), 64 texts each, greedy. Trained on texts of 3 things with 4 questions "
        "along the way, `mem1` (the recipe: `state`) with 16; 3 things are told in 6 sentences with 20 words of "
        "memory, 12 things in 24 sentences with 48."
    )
    return f"{title}\n\n{table(AT_ONCE, lines)}"


def _asked(name: str, world: str, rows: Sequence[Found]) -> list[str]:
    score, peak = (
        {n: mean(row[f"{world}, {n} questions"][key] for row in rows) for n in (2, 4, 8, 16)}
        for key in ("score", "peak_tokens")
    )
    told = [f"{score[n]:.3f}" for n in (2, 4, 8, 16)]
    ends = [(row[f"{world}, 2 questions"]["score"], row[f"{world}, 16 questions"]["score"]) for row in rows]
    shares = [many / few for few, many in ends if few]
    share = f"{score[16] / score[2]:.2f}" if score[2] else "-"
    low, high = interval(shares) if shares else (0.0, 0.0)
    over = f"{low:.2f} to {high:.2f}" if len(shares) > 1 else "-"
    each = ", ".join(f"{one:.2f}" for one in shares)
    return [name, *told, share, over, each, f"{peak[2]:.1f}", f"{peak[16]:.1f}", f"{peak[16] / peak[2]:.2f}"]
