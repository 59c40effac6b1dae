"""The tables of docs/toolworld.md and docs/tools.md, from results/toolworld and results/sandbox.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from acting_tables import over_seeds
from other_tables import of_file, of_seeds, table

Found = dict[str, Any]
NAMES = {
    "scorer": "trained memory, trained policy",
    "untrained": "the memory before training",
    "none": "no memory",
    "bm25_archive": "everything archived, BM25 by the sub-goal",
    "oracle": "best keeper",
    "full_context": "full context",
}


def sections() -> dict[str, Callable[[Path], str | None]]:
    """What makes each section from the folder of results; None where there are none."""
    return {
        "sandbox": lambda folder: of_file(sandbox, folder),
        "toolworld": lambda folder: of_seeds(rows, folder / "toolworld"),
        "toolworld_rl": lambda folder: of_seeds(before_and_after, folder / "toolworld"),
        "toolworld_horizon": lambda folder: of_seeds(horizons, folder / "toolworld"),
    }


HEAD = ("", "success", "95 % over seeds", "each seed", "words read a call", "of memory")


def _row(name: str, each: Sequence[Found]) -> list[str]:
    tokens, view = (mean(one[key] for one in each) for key in ("tokens_a_step", "view_words_a_step"))
    return [*over_seeds(name, [one["success"] for one in each]), f"{tokens:.0f}", f"{view:.0f}"]


def rows(runs: Sequence[Found]) -> str:
    """Rows at the length of training."""
    one = runs[0]
    seconds = mean(run["train_cpu_seconds"] for run in runs)
    title = (
        f"**toolworld (`benchmarks/toolworld.py SEED`).** {len(runs)} seeds, {one['tasks']['30']} held-out tasks each, "
        "30 calls each, names and phrasings never met; calls and ops drawn as in training. Memory and view hold "
        f"{one['memory_words']} words in every row but the last; the archive of BM25 has no bound, its view has. "
        "Words read a call: brief, memory, sub-goal and "
        f"choices. {one['steps']} steps of {one['episodes_a_step']} episodes, {seconds:.0f} s of a core a run, the "
        "sandbox's own not counted."
    )
    made = [_row(NAMES.get(name, name), [run["rows"][name] for run in runs]) for name in one["rows"]]
    made.append(_row("BM25, the policy before RL", [run["before RL, bm25_archive"] for run in runs]))
    made.append(_row("trained memory, always the likeliest", [run["greedy"] for run in runs]))
    return f"{title}\n\n{table(HEAD, made)}"


def before_and_after(runs: Sequence[Found]) -> str:
    """What each stage of training adds, and the calls that are none."""
    stages: dict[str, Callable[[Found], Found]] = {
        "before anything": lambda run: run["before the warm start"],
        "after the warm start": lambda run: run["before RL"],
        "policy of the warm start, memory after RL": lambda run: run["before RL, memory after RL"],
        "after RL": lambda run: run["rows"]["scorer"],
    }
    made = []
    for name, of in stages.items():
        each = [of(run) for run in runs]
        kinds = [f"{mean(one['by_kind'][kind] for one in each):.2f}" for kind in ("units", "cost", "report")]
        invalid = [one["invalid_share"] for one in each]
        made.append([*over_seeds(name, [one["success"] for one in each]), *kinds, f"{mean(invalid):.3f}"])
    head = (*HEAD[:4], "sql", "python", "report", "invalid calls")
    return f"**Before and after.** The same tasks.\n\n{table(head, made)}"


def horizons(runs: Sequence[Found]) -> str:
    """The same weights on longer tasks."""
    made = []
    for horizon, found in runs[0]["horizons"].items():
        for name in ("scorer", "window", "bm25_archive", "oracle", "full_context"):
            if name in found:
                each = [run["horizons"][horizon][name] for run in runs]
                made.append(_row(f"{NAMES.get(name, name)}, {horizon} calls", each))
    tasks = ", ".join(f"{count} of {horizon}" for horizon, count in runs[0]["tasks"].items())
    return f"**Trained at 30 calls, played at 100 and 300.** Tasks a seed: {tasks}.\n\n{table(HEAD, made)}"


def sandbox(found: Found) -> str:
    """Calls a second."""
    load = mean(found["load"])
    title = (
        f"**Calls of the sandbox, one after the other (`benchmarks/sandbox.py`).** {found['machine']['cpu']}, "
        f"{found['machine']['cores']} cores; the machine's load was {load:.1f}, so read the processor's time. "
        f"Median of {found['rounds']} rounds of {found['seconds']:.0f} s. Layers: {', '.join(found['layers'])}."
    )
    made = [
        [name, f"{one['calls_a_second']:.0f}", f"{one['best_calls_a_second']:.0f}", f"{one['cpu_ms_a_call']:.2f}"]
        for name, one in found["rows"].items()
    ]
    return f"{title}\n\n{table(('call', 'a second', 'best round', 'ms of processor time a call'), made)}"
