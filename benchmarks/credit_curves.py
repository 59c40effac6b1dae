"""How many episodes each credit estimator needs: the controller alone, from scratch, on the default task.

python benchmarks/credit_curves.py                                                     # steps of 32, 64 and 128
python benchmarks/credit_curves.py --batch 8 16 --every 128 --episodes 1536            # steps that suit exact credit
python benchmarks/credit_curves.py --only leave_one_out broadcast --seeds 0 --batch 32

Every run starts from the same weights of its seed and draws the same tasks in the same order; only the credit differs.
Questions are read without error, so that what is compared is credit and not a reader; what reading would have cost is
counted in tokens (view, question and a replay's extra questions). After every ``--every`` episodes the controller plays
the same held-out tasks greedily. The bar is 0.8 of the best keeper under the budget.
Noisy credit needs many episodes a step and exact credit few, so every estimator is run at each size of ``--batch`` and
judged by its own best.
The two estimators that re-roll futures play one pair an op (their default is four), which is what a CPU can pay for.
Results go to benchmarks/results/credit_curves/NAME-BATCH-SEED.json (a finished one is not run again).
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from other_tables import credit_curves

from memrl.advantages.credit import give_credit
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.registry import names
from memrl.contracts.types import TokenDecision
from memrl.evaluate import evaluate_agent, held_out_tasks
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.batch import make_batch
from memrl.training.build import Parts, build

RESULTS = Path(__file__).parent / "results" / "credit_curves"
GROUP = 8
"""Episodes of one task."""
HEADER_TOKENS = 24
"""Of the prompt around a view: header, labels, the answer's cue."""


class CountingReader(OracleReader):
    """Reads without error and counts what a language model would have read."""

    def __init__(self, agent: Agent) -> None:
        super().__init__({agent.task_source.name: agent.task_source})
        self._count = agent.count_tokens
        self.tokens = 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        self._note(requests)
        return super().sample(requests)

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        self._note(requests)
        return super().answer_logprobs(requests, answers)

    def _note(self, requests: Sequence[SampleRequest]) -> None:
        """Equal prompts of one call are read once, as ``HFPolicy`` does."""
        distinct = {(tuple(line.text for line in r.view), r.observation.text) for r in requests}
        for lines, question in distinct:
            self.tokens += HEADER_TOKENS + sum(map(self._count, lines)) + self._count(question)


RE_ROLL = ("same_state", "fresh_futures")
"""Estimators that play on from a decision."""


def config_for(name: str, seed: int, tasks: int, rollouts: int) -> TrainConfig:
    """The main job's task and its controller, which sees no subjects here, with no LM in the loop."""
    return recipe(
        "quickstart",
        seed=seed,
        policy={"trained": False},
        warm_start={"steps": 0},
        controller={"options": {"width": 4, "hidden": 32}},
        curriculum={"name": "target"},
        learner={"decay_from": 1.0},
        credit={"name": name, "options": {"rollouts": rollouts} if name in RE_ROLL else {}},
        rollout={"tasks": 0, "practice_tasks": tasks, "group_size": GROUP},
    )


def curve(name: str, options: argparse.Namespace, batch: int, parts: Parts, config: TrainConfig) -> list[Any]:
    """(episodes, tokens read, held-out success) along training."""
    seed, tasks = config.seed, config.rollout.practice_tasks
    reader = CountingReader(parts.agent)
    player = dataclasses.replace(parts.practice, policy=reader)
    points: list[dict[str, float]] = []
    for step in range(1, options.episodes // batch + 1):
        drawn = parts.curriculum.draw(tasks)
        groups = play(player, drawn, [seed, step, 1], practice=True)
        parts.learner.update(make_batch(give_credit(groups, config.credit, player)))
        if (episodes := step * batch) % options.every == 0:
            spent = reader.tokens
            report = evaluate_agent(player, config, episodes=32, rows=["scorer"])
            reader.tokens = spent
            points.append({"episodes": episodes, "tokens": spent, "success": report.rows[0].success})
            print(f"{name} seed {seed}, {batch} a step, {episodes}: {report.rows[0].success:.3f}", flush=True)
    return points


def run(name: str, seed: int, batch: int, options: argparse.Namespace) -> None:
    target = RESULTS / f"{name}-{batch}-{seed}.json"
    if target.exists():
        return
    config = config_for(name, seed, batch // GROUP, options.rollouts)
    parts = build(config)
    tasks = held_out_tasks(parts.agent, config, 0, 32)
    parts.agent.table.add([text for task in tasks for text in parts.agent.task_source.texts(task)])
    points = curve(name, options, batch, parts, config)
    target.parent.mkdir(parents=True, exist_ok=True)
    told = {"estimator": name, "seed": seed, "batch": batch, "rollouts": options.rollouts, "points": points}
    target.write_text(json.dumps(told, indent=1) + "\n")


def show() -> None:
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    print(credit_curves(runs) if runs else f"no results in {RESULTS}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=names("estimator"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 64, 128], help="episodes a step")
    parser.add_argument("--episodes", type=int, default=5120, help="of a run")
    parser.add_argument("--every", type=int, default=256, help="episodes between two looks")
    parser.add_argument("--rollouts", type=int, default=1, help="pairs of futures an op, of those that re-roll")
    options = parser.parse_args()
    if odd := [batch for batch in options.batch if batch % GROUP or options.every % batch]:
        parser.error(f"--batch {odd[0]}: a step is whole groups of {GROUP} and --every is whole steps")
    for seed, name, batch in itertools.product(options.seeds, options.only, options.batch):
        run(name, seed, batch, options)
    show()


if __name__ == "__main__":
    main()
