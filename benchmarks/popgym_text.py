"""PopGym's RepeatFirst in words: the scorer learns by reward what to keep; an exact reader sits in the policy's seat.

python benchmarks/popgym_text.py SEED      # figures go to results/popgym/SEED.json
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from pathlib import Path

import torch

import memrl
from memrl.evaluate import evaluate_agent
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.run_folder import load_run

ROOT = Path(__file__).parents[1]
ROWS = ("scorer", "untrained", "none", "window", "fifo", "random")
MEMORY = 16
"""Four cards of four words."""


def main(seed: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        config = recipe(
            "plain", seed=seed, out=f"{scratch}/run", steps=25, checkpoint_every=25,
            env={"name": "popgym"},
            policy={"name": "pointer", "trained": False},
            memory={"token_budget": MEMORY, "read_budget": MEMORY, "embedder": "hash"},
            controller={"max_ops": 1, "options": {"width": 8, "hidden": 32}},
            rollout={"tasks": 0, "practice_tasks": 6, "group_size": 6, "env_workers": 0},
            learner={"controller_learning_rate": 0.01},
            evaluation={"rows": list(ROWS)},
        )  # fmt: skip
        started = time.perf_counter()
        run = memrl.train(config)
        seconds = time.perf_counter() - started
        made, parts = load_run(run)
    told = {"seed": seed, "steps": config.steps, "train_seconds": seconds, "memory_tokens": MEMORY, "decks": {}}
    for decks in (1, 8):
        longer = dataclasses.replace(made, env=dataclasses.replace(made.env, options={"decks": decks}))
        agent = build_agent(longer)
        agent = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
        episodes = 64 if decks == 1 else 16
        report = evaluate_agent(
            agent, longer, seed=1, episodes=episodes, rows=ROWS if decks == 1 else ("scorer", "window"),
            trained=parts["controller"],
        )  # fmt: skip
        rows = {row.controller: dataclasses.asdict(row) for row in report.rows}
        told["decks"][str(decks)] = {"episodes": episodes, "rows": rows}
        print(
            seed, decks, {name: (round(row["success"], 3), row["ci95"]) for name, row in rows.items()}, round(seconds)
        )
    out = ROOT / "benchmarks" / "results" / "popgym" / f"{seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
