"""MemWorld in the wild, read without error and without a linker: unlearned rows, and the recipe ``natural``.

python benchmarks/natural.py                      # 64 held-out tasks of 48 steps, 64 and 128 tokens of memory
python benchmarks/natural.py --episodes 16 --horizon 480
python benchmarks/natural.py --trained 0 1 2      # the recipe's readers at both lengths, seeds 0 to 2

Writes benchmarks/results/natural/HORIZON.json, and trained_SEED.json for a trained controller.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from memrl.envs.memworld import presets
from memrl.envs.memworld.theta import Theta
from memrl.evaluate import evaluate, evaluate_agent, for_evaluation
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.build import build_agent
from memrl.training.run_folder import is_finished, is_run

ROWS = ("none", "window", "fifo", "bm25_archive", "similarity", "oracle")
NATURAL = presets.natural()
WORLDS: dict[str, Theta] = {
    "default": presets.keep_four(),
    "natural": NATURAL,
    "natural, styles of training": dataclasses.replace(NATURAL, eval_styles=NATURAL.train_styles),
    "natural, lower case": dataclasses.replace(NATURAL, lower_case=1.0),
    "natural, typos": dataclasses.replace(NATURAL, typos=0.1),
}
SAID = {"as told": [], "lower case": ["env.options.lower_case=1.0"], "typos": ["env.options.typos=0.1"]}
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


READERS = ("own", "bm25", "dense", "rrf", "late_interaction", "newest", "newest_dense", "dense_trusted")
LENGTHS = ((48, 64), (480, 16))
"""Steps of a task, and how many are played."""
OTHER = 1
"""Tasks that nobody looked at while the recipe was made: another seed of theirs."""


def measured_trained(seed: int, runs: Path, rows: Sequence[str]) -> dict[str, object]:
    """The recipe's controller on held-out styles, as told, in lower case and with typos, beside the unlearned readers
    of the same archive at the same budget; trained if need be."""
    run = runs / f"natural-{seed}"
    if not is_finished(run):
        train(recipe("natural", seed=seed, out=str(run)), resume=run if is_run(run) else None)
    timings = (run / "timings.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, object] = {"training_seconds": round(sum(json.loads(line)["seconds"] for line in timings))}
    for what, horizon, episodes, settings, tasks in _cases():
        report = evaluate(run, horizon=horizon, episodes=episodes, rows=rows, settings=settings, seed=tasks)
        found[what] = report.to_json()
        shares = "  ".join(f"{row.controller} {row.success:.3f} {_interval(row.ci95)}" for row in report.rows)
        print(f"seed {seed}, {what}: {shares}", flush=True)
    return found


def _cases() -> Iterator[tuple[str, int, int, list[str], int]]:
    """What is played: name, steps, tasks, settings, and the seed of the tasks."""
    for horizon, episodes in LENGTHS:
        for name, settings in SAID.items() if horizon == LENGTHS[0][0] else [("as told", [])]:
            yield f"{name}, {horizon} steps", horizon, episodes, settings, 0
        yield f"as told, other tasks, {horizon} steps", horizon, episodes, [], OTHER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=64)
    parser.add_argument("--horizon", type=int, default=48)
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS))
    parser.add_argument("--trained", type=int, nargs="*", default=[], metavar="SEED")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    if options.trained:
        for seed in options.trained:
            rows = READERS if seed == 0 else READERS[:1]  # rules are the same for every seed
            kept = json.dumps(measured_trained(seed, options.runs, rows), indent=1)
            (RESULTS / f"trained_{seed}.json").write_text(kept + "\n", encoding="utf-8")
        return
    found: dict[str, object] = {}
    for name in options.worlds:
        for tokens in options.tokens:
            report = measured(WORLDS[name], tokens, options.horizon, options.episodes)
            found[f"{name}, {tokens} tokens"] = report
            rows = "  ".join(f"{r['controller']} {r['success']:.3f} {_interval(r['ci95'])}" for r in report["rows"])
            print(f"{name}, {tokens} tokens: {rows}", flush=True)
    (RESULTS / f"{options.horizon}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _interval(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"


if __name__ == "__main__":
    main()
