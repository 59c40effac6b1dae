"""What rules alone give with a linker: the row ``linker_rule`` on MemWorld, read without error.

python benchmarks/linker_rule.py        # the default world and the natural one, 48 and 480 steps, 64 tokens

The rule is played as it stands and with ``live_leave`` on. Nothing is trained. Writes results/linker_rule.json.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from memrl.envs.memworld import presets
from memrl.envs.memworld.theta import Theta
from memrl.evaluate import evaluate_agent, for_evaluation
from memrl.recipes import recipe
from memrl.training.build import build_agent

WORLDS = {"default": presets.keep_four(), "natural": presets.natural()}
LENGTHS = ((48, 64), (480, 16))
"""Steps, and held-out tasks of that length."""
RULES = {"a live fact never leaves": False, "the oldest leaves": True}
RESULTS = Path(__file__).parent / "results"


def measured(theta: Theta, live_leave: bool, horizon: int, episodes: int) -> dict[str, Any]:
    """The rule's row."""
    config = recipe(
        "natural", env={"options": dataclasses.asdict(theta)}, memory={"linker": "pattern", "embedder": "hash"},
        controller={"name": "linker_rule", "options": {"live_leave": live_leave}},
    )  # fmt: skip
    config = for_evaluation(config, horizon=horizon)
    [row] = evaluate_agent(build_agent(config), config, rows=("own",), episodes=episodes).to_json()["rows"]
    return {key: row[key] for key in ("success", "ci95", "q", "by_episode")}


def main() -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for world, theta in WORLDS.items():
        for horizon, episodes in LENGTHS:
            for name, live_leave in RULES.items():
                row = measured(theta, live_leave, horizon, episodes)
                found[f"{world}, {horizon} steps, {name}"] = row
                print(f"{world}, {horizon} steps, {name}: {row['success']:.3f} {row['ci95']}", flush=True)
    (RESULTS / "linker_rule.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
