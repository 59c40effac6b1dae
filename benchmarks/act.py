"""Plans told early, carried out on signals: a scorer that learns what to keep, beside rules. An exact reader answers.

python benchmarks/act.py SEED        # some minutes; writes results/act/SEED.json

MemWorld with ``ask_act``: two things, a person, two plans; 72 words and punctuation marks of memory hold some six
sentences, so plans, places and talk compete. Recipe ``smoke`` with the policy ``exact`` and hashed embeddings.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed
from memrl.evaluate import evaluate
from memrl.recipes import recipe
from memrl.train import train

THETA = {
    "horizon": 32, "objects": 2, "people": 1, "plans": 2, "places": 8, "questions": 6, "delay": 4,
    "distractor_level": 2, "contradict_rate": 0.0, "update_rate": 0.2, "ask_latest": 1.0, "ask_act": 2.0,
}  # fmt: skip
ROWS = ("own", "untrained", "window", "fifo", "similarity", "linker_rule")
TOKENS, STEPS, EPISODES = 72, 40, 64
RESULTS = Path(__file__).parent / "results" / "act"


def act_config(seed: int) -> TrainConfig:
    """Training of one seed."""
    room = {"token_budget": TOKENS, "read_budget": TOKENS}
    return recipe(
        "smoke", seed=seed, steps=STEPS, env={"options": THETA, "train_seeds": 64}, memory=room,
        policy={"name": "exact", "options": {}, "trained": False}, rollout={"tasks": 0, "practice_tasks": 16},
        learner={"epochs": 1, "controller_learning_rate": 0.01, "decay_from": 0.6},
    )  # fmt: skip


def main(seed: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        run = train(changed(act_config(seed), {"out": str(Path(folder) / "run")}))
        seconds = time.time() - started
        report: dict[str, Any] = evaluate(run, episodes=EPISODES, rows=list(ROWS)).to_json()
    RESULTS.mkdir(exist_ok=True)
    told = {**report, "steps": STEPS, "seconds": seconds}
    (RESULTS / f"{seed}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for row in report["rows"]:
        print(row["controller"], f"{row['success']:.3f}", row["categories"], flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
