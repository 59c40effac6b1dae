"""TextWorld cooking on unseen games: what a trained memory is worth, and what reward adds to a warm start.

python benchmarks/textworld_cooking.py train RUNS SEED ...   # the recipe textworld; to results/textworld/SEED.json
python benchmarks/textworld_cooking.py long RUNS SEED ...    # the same runs in episodes of three games
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import memrl
from memrl.contracts.config import TrainConfig
from memrl.evaluate import EvalReport, evaluate, evaluate_agent
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.export import read_controller, write_controller
from memrl.training.imitation import imitate, kept_along
from memrl.training.run_folder import load_run

OUT = Path(__file__).parent / "results" / "textworld"
EVALUATED = 2
"""Seed of the held-out games."""
GAMES = 16
ROWS = ("scorer", "untrained", "none", "window", "fifo", "bm25_archive", "full_context", "oracle")
BEFORE = ("scorer", "window")
"""Rows before RL: the policy as the warm start left it, the scorer as imitation did."""
IMITATED = 8
"""Training games along which the scorer is shown what the best keeper does."""
LONG, LONG_ROWS, LONG_GAMES = 100, ("scorer", "none", "window"), 4
"""Commands of the longer episodes, games in a row; rows and episodes there."""


def config(seed: int, out: str, start: str = "", evaluated: str = "test", **changes: Any) -> TrainConfig:
    made = recipe("textworld", seed=seed, out=out, controller={"start": start}, **changes)
    return replace(made, env=replace(made.env, options={**made.env.options, "evaluated": evaluated}))


def keeper(made: TrainConfig, folder: Path) -> float:
    """A scorer that imitates the best keeper along walkthroughs of training games; its last loss."""
    agent = build_agent(made)
    source = agent.task_source
    tasks = [source.train(source.cells()[-1], number) for number in range(IMITATED)]
    loss = imitate(agent.controller, kept_along(agent, made, tasks, "oracle"), steps=300, seed=made.seed)  # pyright: ignore
    write_controller(folder, made, agent.controller.state_dict(), {"from": "the best keeper along walkthroughs"})
    return loss


def plain(report: EvalReport) -> dict[str, Any]:
    """Rows by name."""
    return {row.controller: dataclasses.asdict(row) for row in report.rows}


def before_rl(made: TrainConfig, parts: dict[str, Any], start: Path) -> dict[str, Any]:
    """The same games with the policy and the scorer that RL began with."""
    agent = build_agent(made)
    agent.policy.load_state_dict({**parts["policy"], "net": parts["policy"]["reference"]})
    return plain(
        evaluate_agent(agent, made, seed=EVALUATED, rows=BEFORE, episodes=GAMES, trained=read_controller(start)[1])
    )


def main(seed: int, runs: Path) -> None:
    folder, start = runs / f"{seed}", runs / f"{seed}-keeper"
    started, used = time.perf_counter(), time.process_time()
    if not (folder / "done.json").exists():
        loss = keeper(config(seed, ""), start)
        memrl.train(config(seed, str(folder), str(start)))
        taken = {"train_seconds": time.perf_counter() - started, "train_cpu_seconds": time.process_time() - used}
        (runs / f"{seed}.json").write_text(json.dumps({**taken, "imitation_loss": loss}))
    made, parts = load_run(folder)
    before = before_rl(made, parts, start)
    report = evaluate(folder, rows=ROWS, seed=EVALUATED, episodes=GAMES)
    told = {
        "seed": seed, "episodes": report.episodes, "steps": made.steps,
        "tries": made.steps * made.rollout.tasks * made.rollout.group_size,
        **json.loads((runs / f"{seed}.json").read_text()), "floor": report.floor,
        "memory_tokens": report.memory_budget_tokens, "read_tokens": report.read_budget_tokens,
        "rows": plain(report), "before": before,
    }  # fmt: skip
    write(seed, told)


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
        {"train": main, "long": longer}[what](int(each), Path(runs))
