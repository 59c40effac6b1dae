"""Memory that a language model writes, in five ways, on one MemWorld task in 8 chunks and in 64: before RL and after.

python benchmarks/text_memory.py SEED KIND...     # figures go to results/text_memory/KIND-SEED.json
python benchmarks/text_memory.py SEED             # all kinds

Kinds, all on the same tasks with the same budget of words and the same network as the policy:
    overwrite   one text, written anew for each chunk (MemAgent)
    state       the same before each answer as well, where the question is known (MEM1)
    ops         calls over numbered entries, under a grammar (Memory-R1, Mem-alpha)
    hybrid      a scorer chooses the op, the policy writes the note
    scorer      the same sentences one by one, kept whole: nothing is written
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
from overwrite import LENGTHS, Silent, measured, scorer

import memrl
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed
from memrl.recipes import recipe
from memrl.training.build import build_agent
from memrl.training.policies import load_policies
from memrl.training.run_folder import load_run
from memrl.training.warm_up import warm_up

ROOT = Path(__file__).parents[1]
STEPS = 40
"""Of RL, 64 episodes each."""
KINDS: dict[str, dict[str, Any]] = {
    "state": {
        "controller": {"name": "state", "options": {"max_new_tokens": 12, "questions": True}},
        "credit": {"name": "gae", "options": {"gae_lambda": 1.0}},
        "rollout": {"query_free": False},
    },
    "ops": {"controller": {"name": "ops", "options": {"max_new_tokens": 16}}},
    "hybrid": {
        "controller": {
            "name": "hybrid",
            "options": {"note_tokens": 12, "width": 4, "hidden": 32},
            "max_ops": 1,
        },
        "credit": {"name": "return_to_go"},
    },
    "overwrite": {},
}


def config_of(kind: str, seed: int) -> TrainConfig:
    """The recipe ``overwrite`` with another way to write."""
    base = recipe("overwrite", seed=seed, steps=STEPS, warm_start={"reuse": True})
    if kind == "scorer":
        return scorer(base)
    return changed(base, {**KINDS[kind], "recipe": f"text_memory_{kind}"})


def measure(kind: str, seed: int) -> dict[str, Any]:
    """Before RL and after."""
    config = config_of(kind, seed)
    agent, before = build_agent(config), time.process_time()
    warm_up(agent, config, Silent())
    warm = {"train_cpu_seconds": time.process_time() - before, **measured(agent, config)}
    print(seed, kind, "warm start", {length: round(warm[length]["success"], 3) for length in LENGTHS}, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        before = time.process_time()
        run = memrl.train(dataclasses.replace(config, out=f"{scratch}/run"))
        cpu = time.process_time() - before
        made, parts = load_run(run)
    agent = build_agent(made)
    load_policies(agent, parts)
    agent.controller.load_state_dict(parts["controller"])
    after = {"train_cpu_seconds": cpu, **measured(agent, made)}
    print(seed, kind, "after RL", {length: round(after[length]["success"], 3) for length in LENGTHS}, flush=True)
    return {"warm start": warm, "after RL": after}


def main(seed: int, kinds: list[str]) -> None:
    torch.set_num_threads(1)
    for kind in kinds or [*KINDS, "scorer"]:
        config = config_of(kind, seed)
        told = {
            "seed": seed, "kind": kind, "rl_steps": config.steps,
            "episodes_per_step": config.rollout.tasks * config.rollout.group_size, "credit": config.credit.name,
            "warm_start": dataclasses.asdict(config.warm_start), "memory_tokens": config.memory.token_budget,
            "rows": measure(kind, seed),
        }  # fmt: skip
        out = ROOT / "benchmarks" / "results" / "text_memory" / f"{kind}-{seed}.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
