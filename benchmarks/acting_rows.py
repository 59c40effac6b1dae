"""Ways of prompting and of keeping memory where a language model acts: toolworld, one model, one read budget.

python benchmarks/acting_rows.py SEED              # SmolLM2-135M; figures go to results/acting_rows/SEED.json
python benchmarks/acting_rows.py SEED --tasks 2 --model tiny --lessons 2    # whether it runs

The model learns from walkthroughs, in full context, what a right call looks like (SFT, LoRA), and nothing else; nobody
is given a reward. Every row then plays the same held-out tasks, greedily, with the same weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from machine import machine
from toolworld import EVALUATED, Silent, told

from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.rows import row_kind
from memrl.contracts.types import Task
from memrl.evaluate import for_evaluation
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.build import build_agent
from memrl.training.players import make_row, with_controller
from memrl.training.warm_up import warm_up

RESULTS = Path(__file__).parent / "results" / "acting_rows"
ROWS = (
    "none", "window", "bm25_archive", "oracle", "full_context", "react", "self_refine", "reflexion", "overwrite",
    "state",
)  # fmt: skip


def config_of(options: argparse.Namespace) -> TrainConfig:
    return recipe(
        "toolworld",
        seed=options.seed,
        steps=0,
        policy={"name": "hf", "model": options.model, "max_new_tokens": 48, "options": {}},
        memory={"token_budget": 96, "read_budget": 96},
        warm_start={
            "steps": options.lessons, "batch_size": 8, "learning_rate": 1e-3, "demonstrations": 16,
            "demonstrated_with": "full_context", "reuse": options.model != "tiny",
        },
        evaluation={"greedy": True},
    )  # fmt: skip


def row(agent: Agent, config: TrainConfig, name: str, tasks: Sequence[Task]) -> dict[str, Any]:
    started = time.process_time()
    if row_kind(name) == "row":
        played = make_row(agent, config, name, "rows").play(tasks, [EVALUATED])
        episodes, extra = [one.episode for one in played], {"tries": sum(one.tries for one in played) / len(played)}
    else:
        player = with_controller(agent, config, name, "rows")
        groups = play(player, tasks, [EVALUATED], tries=1, greedy=True)
        episodes, extra = [group.episodes[0] for group in groups], {}
    return {**told(episodes), **extra, "cpu_seconds": time.process_time() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--lessons", type=int, default=60, help="steps of the warm start, 8 lessons each")
    parser.add_argument("--rows", nargs="+", default=ROWS)
    options = parser.parse_args()
    config = config_of(options)
    torch.manual_seed(options.seed)
    agent = build_agent(config)
    started = time.process_time()
    warm_up(agent, config, Silent())  # pyright: ignore[reportArgumentType]
    taught = time.process_time() - started
    shown = for_evaluation(config, horizon=config.env.options.get("steps", 30))
    tasks = [agent.task_source.held_out(EVALUATED + i) for i in range(options.tasks)]
    rows: dict[str, Any] = {}
    for name in options.rows:
        rows[name] = row(agent, shown, name, tasks)
        print(name, {k: v for k, v in rows[name].items() if k != "each"}, flush=True)
        if options.model != "tiny":
            found = {
                "seed": options.seed, "tasks": options.tasks, "model": options.model, "lessons": 8 * options.lessons,
                "read_budget": config.memory.read_budget, "warm_start_cpu_seconds": taught, "machine": machine(),
                "rows": rows,
            }  # fmt: skip
            RESULTS.mkdir(parents=True, exist_ok=True)
            (RESULTS / f"{options.seed}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
