"""TextWorld cooking on unseen games: what a trained memory is worth, and what reward adds to a warm start.

python benchmarks/textworld_cooking.py SEED    # trains the recipe textworld; figures go to results/textworld/SEED.json
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import memrl
from memrl.contracts.config import TrainConfig
from memrl.evaluate import EvalReport, evaluate, evaluate_agent
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.run_folder import load_run

OUT = Path(__file__).parent / "results" / "textworld"
EVALUATED = 2
"""Seed of the held-out games."""
ROWS = ("scorer", "untrained", "none", "window", "fifo", "similarity", "bm25_archive", "oracle", "full_context")
BEFORE = ("scorer", "untrained", "oracle")
"""Rows with the policy as the warm start left it."""
LONG, LONG_ROWS, LONG_GAMES = 100, ("scorer", "untrained", "none", "window", "oracle"), 6
"""Commands of the longer episodes, games in a row; rows and episodes there."""


def config(seed: int, out: str) -> TrainConfig:
    return recipe("textworld", seed=seed, out=out)


def plain(report: EvalReport) -> dict[str, Any]:
    """Rows by name."""
    return {row.controller: dataclasses.asdict(row) for row in report.rows}


def before_rl(folder: Path, made: TrainConfig, parts: dict[str, Any]) -> dict[str, Any]:
    """The same games with the policy that RL began with."""
    agent = build_agent(made)
    agent.policy.load_state_dict({**parts["policy"], "net": parts["policy"]["reference"]})
    return plain(evaluate_agent(agent, made, seed=EVALUATED, rows=BEFORE, trained=parts["controller"]))


def main(seed: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="textworld-") as scratch:
        started, used = time.perf_counter(), time.process_time()
        folder = memrl.train(config(seed, f"{scratch}/run"))
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
        report = evaluate(folder, rows=ROWS, seed=EVALUATED)
        made, parts = load_run(folder)
        told = {
            "seed": seed, "episodes": report.episodes, "steps": made.steps,
            "tries": made.steps * made.rollout.tasks * made.rollout.group_size,
            "train_seconds": seconds, "train_cpu_seconds": cpu, "floor": report.floor,
            "memory_tokens": report.memory_budget_tokens, "read_tokens": report.read_budget_tokens,
            "rows": plain(report), "before": before_rl(folder, made, parts),
        }  # fmt: skip
        OUT.mkdir(parents=True, exist_ok=True)
        write(seed, told)
        far = evaluate(folder, rows=LONG_ROWS, seed=EVALUATED, horizon=LONG, episodes=LONG_GAMES)
        write(seed, {**told, "long": {"commands": LONG, "episodes": far.episodes, "rows": plain(far)}})


def write(seed: int, told: dict[str, Any]) -> None:
    (OUT / f"{seed}.json").write_text(json.dumps(told, indent=1) + "\n")
    for part in ("rows", "before"):
        print(seed, part, {name: round(row["success"], 3) for name, row in told[part].items()})
    print({name: round(row["success"], 3) for name, row in told.get("long", {}).get("rows", {}).items()})


if __name__ == "__main__":
    main(int(sys.argv[1]))
