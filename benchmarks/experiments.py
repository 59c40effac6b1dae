"""Regenerate the evaluations behind README.md and docs/: trains the runs, plays held-out tasks, keeps the JSON.

python benchmarks/experiments.py main_job --seeds 0 1 2   # what `make run` trains and prints
python benchmarks/experiments.py joint --seeds 0 1 2      # four rows: untrained, controller, policy, both
python benchmarks/experiments.py horizon --seeds 0 1 2    # the four rows at ten times the horizon
python benchmarks/experiments.py paired --seeds 0 1 2     # joint against controller alone, on the same further tasks
python benchmarks/experiments.py graph --seeds 0 1 2      # two-hop questions: token+graph against token only
python benchmarks/experiments.py graph_exact              # the same, read without error
python benchmarks/experiments.py subjects                 # the controller with and without subjects, read without error
python benchmarks/experiments.py locomo --seeds 0         # a joint run on LoCoMo, unlearned rows beside it
python benchmarks/experiments.py selftrain                # the self-training loop on the same held-out tasks

Runs go to --runs (kept: a finished one is not trained again), evaluations to benchmarks/results/NAME/SEED.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from memrl.evaluate import EvalReport, evaluate, evaluate_agent, for_evaluation
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.train import train
from memrl.training.build import build_agent
from memrl.training.run_folder import is_finished, is_run, load_run

RESULTS = Path(__file__).parent / "results"
LONG = 10
"""How many times the training horizon the long evaluation plays."""


def trained(name: str, seed: int, runs: Path) -> Path:
    """The finished run of a recipe and seed, trained (or taken up) if need be."""
    folder = runs / f"{name}-{seed}"
    if is_finished(folder):
        return folder
    config = recipe(name, seed=seed, out=str(folder), warm_start={"reuse": True})
    return train(config, resume=folder if is_run(folder) else None)


def keep(name: str, seed: int, run: Path, **how: Any) -> None:
    write(name, seed, evaluate(run, progress=lambda row: print(f"{name} seed {seed}: {row}", flush=True), **how))


def write(name: str, seed: int, report: EvalReport) -> None:
    target = RESULTS / name / f"{seed}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(report.to_json(), indent=1) + "\n", encoding="utf-8")
    for row in report.rows:
        print(f"  {row.controller:14s} {row.success:.3f}  [{row.ci95[0]:.3f}, {row.ci95[1]:.3f}]", flush=True)


def main_job(seeds: Sequence[int], runs: Path) -> None:
    """The evaluation that ``make run`` ends with."""
    for seed in seeds:
        keep("main_job", seed, trained("quickstart", seed, runs))


def joint(seeds: Sequence[int], runs: Path) -> None:
    for seed in seeds:
        keep("joint", seed, trained("quickstart", seed, runs))
        keep("controller_only", seed, trained("controller_only", seed, runs), rows=["scorer", "oracle"])
        keep("policy_only", seed, trained("policy_only", seed, runs), rows=["scorer", "oracle"])


def horizon(seeds: Sequence[int], runs: Path) -> None:
    """Ten times the steps, with questions in proportion, so that both horizons ask as densely."""
    for seed in seeds:
        for name, made in (
            ("quickstart", ""),
            ("controller_only", "_controller_only"),
            ("policy_only", "_policy_only"),
        ):
            rows = ["scorer", "oracle"] if made else ["scorer", "untrained", "oracle"]
            run = trained(name, seed, runs)
            keep(f"horizon_480{made}", seed, run, horizon=48 * LONG, episodes=16, rows=rows)


def paired(seeds: Sequence[int], runs: Path) -> None:
    """Four times as many held-out tasks, other ones: runs differ from task to task by less than tasks do."""
    for seed in seeds:
        for name, made in (("quickstart", "paired_joint"), ("controller_only", "paired_controller_only")):
            keep(made, seed, trained(name, seed, runs), seed=1, episodes=256, rows=["scorer"])


def graph(seeds: Sequence[int], runs: Path) -> None:
    for seed in seeds:
        keep("graph", seed, trained("graph", seed, runs), rows=["scorer", "untrained", "fifo", "oracle"])
        run = trained("graph_token_only", seed, runs)
        keep("graph_token_only", seed, run, rows=["scorer", "untrained", "fifo", "oracle"])


def graph_exact(seeds: Sequence[int], runs: Path) -> None:
    """The graph comparison with the reader's errors taken out: an exact reader in training and in evaluation."""
    rows = ["scorer", "untrained", "fifo", "similarity", "oracle"]
    for seed in seeds:
        for name, made in (("graph", "graph_exact"), ("graph_token_only", "graph_exact_token_only")):
            write(made, seed, read_exactly(trained_exactly(name, made, seed, runs), rows))


def subjects(seeds: Sequence[int], runs: Path) -> None:
    """What it is worth to a controller to see what a text speaks of; both horizons, read without error."""
    for seed in seeds:
        for made, seen in (("subjects", True), ("no_subjects", False)):
            run = trained_exactly(
                "quickstart", made, seed, runs, controller={"options": {"width": 4, "hidden": 32, "subjects": seen}}
            )
            write(made, seed, read_exactly(run, ["scorer"]))
            write(f"{made}_480", seed, read_exactly(run, ["scorer"], horizon=48 * LONG, episodes=16))


def trained_exactly(name: str, made: str, seed: int, runs: Path, **changes: Any) -> Path:
    """The finished run of a recipe whose questions an exact reader answers: only the controller learns."""
    folder = runs / f"{made}-{seed}"
    no_lm = {"rollout": {"tasks": 0, "practice_tasks": 48}, "policy": {"trained": False}, "warm_start": {"steps": 0}}
    if not is_finished(folder):
        train(recipe(name, seed=seed, steps=30, out=str(folder), **no_lm, **changes))
    return folder


def read_exactly(run: Path, rows: Sequence[str], horizon: int | None = None, episodes: int | None = None) -> EvalReport:
    """The run's controller on held-out tasks, with an exact reader in the policy's context."""
    config, checkpoint = load_run(run)
    config = for_evaluation(config, horizon=horizon)
    agent = build_agent(config)
    agent = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
    return evaluate_agent(agent, config, trained=checkpoint["controller"], rows=rows, episodes=episodes)


def locomo(seeds: Sequence[int], runs: Path) -> None:
    for seed in seeds:
        keep("locomo", seed, trained("quickstart", seed, runs), env="locomo")


def selftrain(seeds: Sequence[int], runs: Path) -> None:
    for seed in seeds:
        keep("selftrain", seed, trained("selftrain", seed, runs), rows=["scorer", "oracle"])


EXPERIMENTS: dict[str, Callable[[Sequence[int], Path], None]] = {
    "main_job": main_job, "joint": joint, "graph_exact": graph_exact, "horizon": horizon,
    "graph": graph, "locomo": locomo, "selftrain": selftrain, "subjects": subjects, "paired": paired,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()
    EXPERIMENTS[options.experiment](options.seeds, options.runs)


if __name__ == "__main__":
    main()
