"""600 steps of self-training with all guards on, and with all of them off: does it narrow, does it forget?

A controller that is read exactly, small tasks, hashed embeddings: no language model takes part, one core is enough.
Off means: no novelty gate and no novelty penalty, every task proposed (no fresh draws, no replay, no hand-made tasks
mixed in), no entropy floor and no masked axes, no way back from a fall. The other seven gates stand in both, the alarms
monitor both, and both play the same held-out anchors.

    python benchmarks/collapse.py --out benchmarks/results/collapse.json
    python benchmarks/collapse.py --table benchmarks/results/collapse.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import memrl
from memory_stores.files import write_json
from memrl.algos.task_reward import INVALID
from memrl.contracts.config import TrainConfig
from memrl.contracts.contexts import CurriculumContext
from memrl.contracts.generation import Proposal
from memrl.curricula._visits import SOURCES, Drawn
from memrl.curricula.written import TRIES, Written, WrittenOptions
from memrl.envs.memworld.bank import Bank
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.memworld.gates import Judgement, judge
from memrl.envs.memworld.task_generator import MemWorldGenerator
from memrl.envs.memworld.theta import Theta
from memrl.recipes import recipe
from memrl.reporting.task_report import is_new, read_task_log
from memrl.train import train
from memrl.training.run_folder import read_metrics

THETA = {"horizon": 12, "objects": 2, "places": 4, "questions": 3, "delay": 2}
NEVER = 1e9
"""Standard errors that nothing falls by: the anchors are played, and nothing goes back."""
UNGUARDED = {
    "name": "open_written", "options": {"proposed": 1.0}, "proposer_options": {"entropy": 0.0, "axis_dropout": 0.0},
}  # fmt: skip
CHUNK = 24
"""Newly written tasks in a row among which different signatures are counted."""
PARTS = 10
"""Stretches of equal length that a run is cut into."""


class OpenWorkshop(MemWorldGenerator):
    """Every task is new to it: the gate of novelty and the penalty are gone, the seven others stand."""

    def judge(self, candidate: Any) -> Judgement:
        return judge(candidate, Bank(), self._limits, self._cost)

    def penalty(self, signature: str) -> float:
        return 0.0


class OpenFamily(MemWorldTasks):
    def task_generator(self, budget: int, cost: Any) -> MemWorldGenerator:
        made = super().task_generator(budget, cost)
        return OpenWorkshop(self.theta, made._limits, cost)


class OpenWritten(Written):
    """Nobody but the proposer writes: a task that is turned away is followed by its next one."""

    def __init__(self, context: CurriculumContext, options: WrittenOptions) -> None:
        super().__init__(context, options)
        self._shares = tuple(float(source == "proposed") for source in SOURCES)

    def _one(self, source: str, proposals: list[Proposal]) -> Drawn:
        assert self.proposer is not None
        for _ in range(TRIES):
            proposal = proposals.pop(0) if proposals else self._propose(1)[0]
            if (drawn := self._examine(proposal.candidate, "proposed", proposal)) is not None:
                return drawn
            self._judged.append((proposal, INVALID))
            self._log[-1]["reward"] = INVALID
        return super()._one("anchor", [])


memrl.register("env", "open_memworld", OpenFamily, Theta)
memrl.register("curriculum", "open_written", OpenWritten, WrittenOptions)


def config_for(guarded: bool, seed: int, steps: int, out: str) -> TrainConfig:
    writing = {"name": "written", "proposer": "axes", "options": {"proposed": 0.5}}
    return recipe(
        "tiny", seed=seed, steps=steps, out=out, checkpoint_every=steps,
        env={"name": "memworld" if guarded else "open_memworld", "options": THETA},
        memory={"token_budget": 80, "read_budget": 80},
        policy={"trained": False}, warm_start={"steps": 0},
        rollout={"tasks": 0, "practice_tasks": 8, "group_size": 4},
        curriculum=writing if guarded else writing | UNGUARDED,
        learner={"epochs": 3, "minibatches": 2},
        monitor={"every": 10, "anchors": 16, "standard_errors": 2.0 if guarded else NEVER},
    )  # fmt: skip


def run_arm(guarded: bool, seed: int, steps: int) -> dict[str, Any]:
    """One run, and what its files say of each stretch of it."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = train(config_for(guarded, seed, steps, f"{scratch}/run"))
        metrics, rows = read_metrics(folder), read_task_log(folder)
    if (counted := max(row["step"] for row in rows)) != steps:
        raise RuntimeError(f"tasks.jsonl counts {counted} steps and metrics.jsonl {steps}: stretches would not match")
    arm = {"guards": guarded, "seed": seed, "steps": steps, "seconds": round(time.perf_counter() - started, 1)}
    return arm | {"parts": stretches(metrics, rows, steps), "alarms": first_alarms(metrics)}


def stretches(metrics: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], steps: int) -> list[dict]:
    """Means over each tenth of the run. ``variety`` is ``distinct_in`` of the tasks newly written and accepted."""
    length = max(1, steps // PARTS)
    found = []
    for first in range(1, steps + 1, length):
        span = range(first, min(first + length, steps + 1))
        lines = [line for line in metrics if line["step"] in span]
        written = [row["signature"] for row in rows if row["step"] in span and row["accepted"] and is_new(row)]
        turned = sum(not row["accepted"] for row in rows if row["step"] in span)
        found.append(
            {
                "from": first,
                "to": span[-1],
                "written": len(written),
                "rejected": turned,
                "signatures": len(set(written)),
                "variety": distinct_in(written),
                "proposer_entropy": _mean(lines, "proposer/entropy"),
                "reward": _mean(lines, "proposer/reward"),
                "op_entropy": _mean(lines, "entropy"),
                "practice_success": _mean(lines, "practice_success"),
                "anchor_success": _mean(lines, "anchor_success"),
                "rollbacks": sum(line.get("rolled_back") or 0 for line in lines),
            }
        )
    return found


def distinct_in(signatures: Sequence[str], chunk: int = CHUNK) -> float | None:
    """Mean share of different signatures among ``chunk`` tasks in a row; None where there are fewer.

    In chunks of one size, since more tasks have more in common however varied their writer is.
    """
    starts = range(0, len(signatures) - chunk + 1, chunk)
    shares = [len(set(signatures[start : start + chunk])) / chunk for start in starts]
    return sum(shares) / len(shares) if shares else None


def first_alarms(metrics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Alarm -> the first step at which it rang, and at how many steps."""
    found: dict[str, dict[str, int]] = {}
    for line in metrics:
        for name in line:
            if name.startswith("alarm/") and line[name]:
                alarm = found.setdefault(name, {"first": line["step"], "steps": 0})
                alarm["steps"] += 1
    return found


def _mean(lines: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [line[name] for line in lines if line.get(name) is not None]
    return sum(values) / len(values) if values else None


def show(result: Mapping[str, Any]) -> None:
    columns = ("variety", "signatures", "rejected", "proposer_entropy", "op_entropy", "practice_success",
               "anchor_success", "rollbacks")  # fmt: skip
    console = Console(width=150)
    for arm in result["arms"]:
        title = f"guards {'on' if arm['guards'] else 'off'}, seed {arm['seed']}, {arm['seconds']} s"
        table = Table("steps", *columns, title=title, title_justify="left")
        for part in arm["parts"]:
            table.add_row(f"{part['from']}-{part['to']}", *(_cell(part[name]) for name in columns))
        console.print(table)
        rang = (f"{name} from step {at['first']} on, at {at['steps']} steps" for name, at in arm["alarms"].items())
        console.print("alarms: " + ("; ".join(rang) or "none"), markup=False)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, int) else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, help="write the result here")
    parser.add_argument("--table", type=Path, help="print a result and run nothing")
    options = parser.parse_args()
    if options.table is not None:
        show(json.loads(options.table.read_text()))
        return
    torch.set_num_threads(1)
    arms = [run_arm(guarded, seed, options.steps) for seed in options.seeds for guarded in (True, False)]
    result = {"steps": options.steps, "theta": THETA, "arms": arms}
    if options.out is not None:
        write_json(options.out, result)
    show(result)


if __name__ == "__main__":
    main()
