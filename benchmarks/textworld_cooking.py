"""TextWorld cooking on unseen games: what a trained memory is worth, and what reward adds to a warm start.

python benchmarks/textworld_cooking.py train RUNS SEED ...   # the recipe textworld; to results/textworld/SEED.json
python benchmarks/textworld_cooking.py sampled RUNS SEED ... # the same with sampled commands, before and after RL
python benchmarks/textworld_cooking.py long RUNS SEED ...    # the same runs in episodes of three games
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent
from memrl.evaluate import EvalReport, evaluate, evaluate_agent, held_out_tasks
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

OUT = Path(__file__).parent / "results" / "textworld"
EVALUATED = 2
"""Seed of the held-out games."""
GAMES = 16
ROWS = ("scorer", "untrained", "none", "window", "fifo", "bm25_archive", "full_context", "oracle")
BEFORE = ("scorer", "window")
"""Rows before RL: policy and scorer as the warm start left them."""
LONG, LONG_ROWS, LONG_GAMES = 100, ("scorer", "window"), 4
"""Commands of the longer episodes, games in a row; rows and episodes there."""


def config(seed: int, out: str, evaluated: str = "test") -> TrainConfig:
    made = recipe("textworld", seed=seed, out=out)
    return replace(made, env=replace(made.env, options={**made.env.options, "evaluated": evaluated}))


def plain(report: EvalReport) -> dict[str, Any]:
    """Rows by name."""
    return {row.controller: dataclasses.asdict(row) for row in report.rows}


class Quiet:
    """Reports of the warm start go nowhere."""

    def progress(self, title: str, total: int) -> Callable[[], None]:
        return lambda: None

    def say(self, text: str) -> None:
        """Nothing."""


def begun(made: TrainConfig) -> Agent:
    """What RL began with; the warm start is made again, to the same bits."""
    agent = build_agent(made)
    warm_up(agent, made, Quiet())
    return agent


def main(seed: int, runs: Path) -> None:
    folder = runs / f"{seed}"
    started, used = time.perf_counter(), time.process_time()
    if not (folder / "done.json").exists():
        memrl.train(config(seed, str(folder)))
        taken = {"train_seconds": time.perf_counter() - started, "train_cpu_seconds": time.process_time() - used}
        (runs / f"{seed}.json").write_text(json.dumps(taken))
    made, _ = load_run(folder)
    agent = begun(made)
    start = agent.controller.state_dict()
    before = evaluate_agent(agent, made, seed=EVALUATED, rows=BEFORE, episodes=GAMES, trained=start)
    report = evaluate(folder, rows=ROWS, seed=EVALUATED, episodes=GAMES)
    told = {
        "seed": seed, "episodes": report.episodes, "steps": made.steps, "games": made.env.train_seeds,
        "walkthroughs": made.warm_start.demonstrations,
        "tries": made.steps * made.rollout.tasks * made.rollout.group_size,
        **json.loads((runs / f"{seed}.json").read_text()), "floor": report.floor,
        "memory_tokens": report.memory_budget_tokens, "read_tokens": report.read_budget_tokens,
        "rows": plain(report), "before": plain(before),
    }  # fmt: skip
    write(seed, told)


def drawn(agent: Agent, made: TrainConfig) -> float:
    """Success with sampled commands, as training plays."""
    groups = play(agent, held_out_tasks(agent, made, EVALUATED, GAMES), [EVALUATED], tries=1, greedy=False)
    return mean(group.episodes[0].success for group in groups)


def sampled(seed: int, runs: Path) -> None:
    """Before and after RL with sampled commands, beside the run's other figures."""
    made, parts = load_run(runs / f"{seed}")
    agent = begun(made)
    told = json.loads((OUT / f"{seed}.json").read_text())
    found = {"before": drawn(agent, made)}
    agent.policy.load_state_dict(parts["policy"])
    agent.controller.load_state_dict(parts["controller"])
    found["after"] = drawn(agent, made)
    print(seed, found, flush=True)
    write(seed, {**told, "sampled": found})


def longer(seed: int, runs: Path) -> None:
    """The same run in longer episodes, beside its other figures."""
    far = evaluate(runs / f"{seed}", rows=LONG_ROWS, seed=EVALUATED, horizon=LONG, episodes=LONG_GAMES)
    told = json.loads((OUT / f"{seed}.json").read_text())
    write(seed, {**told, "long": {"commands": LONG, "episodes": far.episodes, "rows": plain(far)}})


def write(seed: int, told: dict[str, Any]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{seed}.json").write_text(json.dumps(told, indent=1) + "\n")
    for part, rows in (("rows", told["rows"]), ("before", told["before"]), ("long", told.get("long", {}).get("rows"))):
        print(seed, part, {name: round(row["success"], 3) for name, row in (rows or {}).items()}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, runs, *seeds = sys.argv[1:]
    for each in seeds:
        {"train": main, "sampled": sampled, "long": longer}[what](int(each), Path(runs))
