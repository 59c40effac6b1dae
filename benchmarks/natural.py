"""Unlearned rows on MemWorld in the wild, read without error and without a linker; nothing is trained.

python benchmarks/natural.py                      # 64 held-out tasks of 48 steps, 64 and 128 tokens of memory
python benchmarks/natural.py --episodes 16 --horizon 480

Writes benchmarks/results/natural/HORIZON.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from memrl.envs.memworld import presets
from memrl.envs.memworld.theta import Theta
from memrl.evaluate import evaluate_agent, for_evaluation
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.training.build import build_agent

ROWS = ("none", "window", "fifo", "bm25_archive", "similarity", "oracle")
NATURAL = presets.natural()
WORLDS: dict[str, Theta] = {
    "default": presets.keep_four(),
    "natural": NATURAL,
    "natural, styles of training": dataclasses.replace(NATURAL, eval_styles=NATURAL.train_styles),
    "natural, lower case": dataclasses.replace(NATURAL, lower_case=1.0),
    "natural, typos": dataclasses.replace(NATURAL, typos=0.1),
}
RESULTS = Path(__file__).parent / "results" / "natural"


def measured(theta: Theta, tokens: int, horizon: int, episodes: int) -> dict[str, object]:
    config = recipe(
        "quickstart", env={"options": dataclasses.asdict(theta)}, memory={"linker": "none"},
        controller={"options": {"width": 4, "hidden": 32, "subjects": False}},
    )  # fmt: skip
    config = for_evaluation(config, horizon=horizon, memory_tokens=tokens)
    agent = build_agent(config)
    agent = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
    return evaluate_agent(agent, config, rows=ROWS, episodes=episodes).to_json()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--horizon", type=int, default=48)
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    options = parser.parse_args()
    found: dict[str, object] = {}
    for name in options.worlds:
        for tokens in options.tokens:
            report = measured(WORLDS[name], tokens, options.horizon, options.episodes)
            found[f"{name}, {tokens} tokens"] = report
            rows = "  ".join(f"{r['controller']} {r['success']:.3f} {_interval(r['ci95'])}" for r in report["rows"])
            print(f"{name}, {tokens} tokens: {rows}", flush=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{options.horizon}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _interval(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"


if __name__ == "__main__":
    main()
