"""keydoor: what memory is worth, and what reward alone teaches a policy that begins with nothing.

python benchmarks/keydoor.py SEED     # trains examples/keydoor/train.yaml; its figures go to results/keydoor/SEED.json
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "examples" / "keydoor"))

import torch  # noqa: E402
import yaml  # noqa: E402

import memrl  # noqa: E402
from memrl.contracts.config import TrainConfig  # noqa: E402
from memrl.evaluate import evaluate, evaluate_agent, held_out_tasks  # noqa: E402
from memrl.recipes import recipe  # noqa: E402
from memrl.rollouts.scheduler import play  # noqa: E402
from memrl.training.build import build_agent  # noqa: E402
from memrl.training.run_folder import load_run  # noqa: E402

EVALUATED = 2
"""Seed of the held-out games."""
ROWS = ("scorer", "untrained", "none", "window", "fifo")


def config(seed: int, out: str) -> TrainConfig:
    knobs = yaml.safe_load((ROOT / "examples" / "keydoor" / "train.yaml").read_text())
    knobs["env"] = {**knobs["env"], "name": "keydoor.game:KeyDoor"}
    return recipe(knobs.pop("recipe"), **knobs, seed=seed, out=out)


def drawn(made: TrainConfig, parts: dict[str, Any], trained: bool) -> list[float]:
    """Success of held-out games with sampled commands and choices, and the controller that was learned."""
    agent = build_agent(made)
    agent.controller.load_state_dict(parts["controller"])
    if trained:
        agent.policy.load_state_dict(parts["policy"])
    tasks = held_out_tasks(agent, made, EVALUATED, None)
    return [group.episodes[0].success for group in play(agent, tasks, [EVALUATED], tries=1)]


def main(seed: int) -> None:
    torch.set_num_threads(1)
    started, used = time.perf_counter(), time.process_time()
    folder = memrl.train(config(seed, f"/tmp/keydoor-{seed}"))
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    report = evaluate(folder, rows=ROWS, seed=EVALUATED)
    # The policy as it began, with the memory that was learned: what policy gradient added to it.
    made, parts = load_run(folder)
    agent = build_agent(made)
    before = evaluate_agent(agent, made, seed=EVALUATED, rows=["scorer"], trained=parts["controller"])
    rows = {row.controller: dataclasses.asdict(row) for row in report.rows}
    rows["policy before RL"] = dataclasses.asdict(before.rows[0])
    sampled = {"before": drawn(made, parts, trained=False), "after": drawn(made, parts, trained=True)}
    told = {
        "seed": seed, "episodes": report.episodes, "steps": made.steps,
        "train_seconds": seconds, "train_cpu_seconds": cpu,
        "memory_tokens": report.memory_budget_tokens, "read_tokens": report.read_budget_tokens,
        "rows": rows, "sampled": sampled,
    }  # fmt: skip
    out = ROOT / "benchmarks" / "results" / "keydoor" / f"{seed}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")
    print(
        seed,
        {name: round(row["success"], 3) for name, row in rows.items()},
        {k: round(sum(v) / len(v), 3) for k, v in sampled.items()},
        round(seconds),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
