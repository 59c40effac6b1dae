"""How well does each estimator rank memory ops by what they are really worth?

python benchmarks/credit_truth.py                                       # 200 worlds, 64 continuations
python benchmarks/credit_truth.py --worlds 12 --continuations 16        # a look

The value of an op, in small MemWorlds with a partly trained controller and a reader without error: the mean return
over continuations from the same state with the op, minus the same with Keep in its place, the controller sampling.
Two truths are kept: against Keep (``value``), and against what the controller would have done, itself included
(``advantage``, what a policy gradient wants). Every estimator of ours is scored by
Spearman's rank correlation over the ops that were not Keep, with a 95 % bootstrap interval over worlds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from memrl.advantages.contract import Scene
from memrl.advantages.credit import give_credit
from memrl.advantages.gains import OpAt, ops
from memrl.advantages.same_state import KEEP, Branch, RolloutOptions, mean_returns
from memrl.contracts.config import CreditConfig, RolloutConfig, TrainConfig
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.registry import find, make_options, names
from memrl.contracts.types import Episode, TokenDecision
from memrl.policies.oracle_reader import OracleReader
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.training.batch import make_batch
from memrl.training.build import build_agent, build_curriculum, build_task_source
from memrl.training.learner import Learner

RESULTS = Path(__file__).parent / "results" / "credit_truth.json"
WORLD = {"horizon": 16, "objects": 3, "places": 6, "questions": 5, "delay": 3}
TWO_FACTS = 18
"""Words of two sentences of that world."""
SIBLINGS = 8
RESAMPLES = 1000

Array = NDArray[np.float64]


class Counting(OracleReader):
    """An exact reader that counts what it is asked."""

    def __init__(self, agent: Agent) -> None:
        super().__init__({agent.task_source.name: agent.task_source})
        self._count, self.requests, self.tokens = agent.count_tokens, 0, 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        self._note(requests)
        return super().sample(requests)

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        self._note(requests)
        return super().answer_logprobs(requests, answers)

    def _note(self, requests: Sequence[SampleRequest]) -> None:
        self.requests += len(requests)
        texts = [t for r in requests for t in (r.observation.text, *(line.text for line in r.view))]
        self.tokens += sum(map(self._count, texts))


class World(NamedTuple):
    """The ops of one world that are judged, [N] of each number."""

    value: Array
    advantage: Array
    estimates: dict[str, Array]


class Cost(NamedTuple):
    """What an estimator took, all worlds together."""

    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def plus(self, other: Cost) -> Cost:
        return Cost(self.requests + other.requests, self.tokens + other.tokens, self.seconds + other.seconds)


def setting(seed: int, steps: int) -> TrainConfig:
    return recipe(
        "controller_only",
        seed=seed,
        steps=steps,
        env={"options": WORLD},
        memory={"token_budget": TWO_FACTS, "read_budget": TWO_FACTS, "embedder": "hash"},
        rollout=dataclasses.asdict(RolloutConfig(tasks=0, practice_tasks=16, group_size=SIBLINGS)),
        controller={"options": {"width": 4, "hidden": 32}},
        warm_start={"steps": 0},
    )


def partly_trained(config: TrainConfig) -> Agent:
    """An agent that read without error while its controller took ``config.steps`` steps."""
    task_source = build_task_source(config.env)
    agent = build_agent(config, policy=OracleReader({task_source.name: task_source}))
    curriculum = build_curriculum(config, agent)
    learner = Learner(policies={}, scorer=agent.controller, config=config.learner, seed=config.seed)  # pyright: ignore[reportArgumentType]
    for step in range(config.steps):
        tasks = curriculum.draw(config.rollout.practice_tasks)
        groups = play(agent, tasks, [config.seed, step, 1], practice=True)
        learner.update(make_batch(give_credit(groups, config.credit, agent)))
        if step in (0, config.steps - 1):
            success = float(np.mean([e.success for group in groups for e in group.episodes]))
            print(f"training step {step}: success {success:.3f}", flush=True)
    return agent


def truth(episodes: Sequence[Episode], judged: Sequence[OpAt], agent: Agent, continuations: int) -> tuple[Array, Array]:
    """Value and advantage of each op, [N]."""
    decided = dict(ops(episodes))
    branches = [Branch(at, index) for at in judged for index in (decided[at].choice, KEEP, None)]
    # A stream that no estimator draws from: else it would be scored on its own sample.
    means = mean_returns(episodes, branches, agent, continuations, stream=1).reshape(-1, 3)
    return means[:, 0] - means[:, 1], means[:, 0] - means[:, 2]


RE_ROLL = ("same_state", "fresh_futures")
"""Estimators that play on from a decision."""


def estimate(
    name: str, episodes: Sequence[Episode], judged: Sequence[OpAt], agent: Agent, rollouts: int
) -> tuple[Array, Cost]:
    """What an estimator says of each op, [N], and what it took."""
    reader = Counting(agent)
    asked = dataclasses.replace(agent, policy=reader)
    start = time.perf_counter()
    part = find("estimator", name, "credit.name")
    options = make_options(part, {"rollouts": rollouts} if name in RE_ROLL else {}, "credit.options")
    credit = part.make(episodes, Scene(asked, CreditConfig(name=name), options))
    seconds = time.perf_counter() - start
    of = {at: d for at, d in _places(episodes)}
    values = np.array([credit[at.sibling][of[at]] for at in judged])
    return values, Cost(reader.requests, reader.tokens, seconds)


def _places(episodes: Sequence[Episode]) -> list[tuple[OpAt, int]]:
    """Where in its episode's advantages an op stands."""
    before = [np.cumsum([0, *(len(step.decisions) for step in e.steps)]) for e in episodes]
    return [(at, int(before[at.sibling][at.site.step]) + at.site.place) for at, _ in ops(episodes)]


def spearman(x_N: Array, y_N: Array) -> float:
    """Rank correlation, ties at their mean rank; 0 where one side is constant."""
    x, y = rankdata(x_N), rankdata(y_N)
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / norm if norm else 0.0


def interval(worlds: Sequence[World], name: str, truth_name: str) -> tuple[float, float, float]:
    """Spearman over all ops, and its 95 % bootstrap interval over worlds."""
    pairs = [(world.estimates[name], getattr(world, truth_name)) for world in worlds]
    rng = np.random.default_rng(0)
    draws = [np.arange(len(pairs)), *rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))]
    found = [spearman(*(np.concatenate([pairs[i][side] for i in draw]) for side in (0, 1))) for draw in draws]
    low, high = np.percentile(found[1:], [2.5, 97.5])
    return found[0], float(low), float(high)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    config = setting(options.seed, options.steps)
    agent = partly_trained(config)
    worlds: list[World] = []
    costs = dict.fromkeys(names("estimator"), Cost())
    for number in range(options.worlds):
        task = agent.task_source.held_out(1000 + number)
        [group] = play(agent, [task], [options.seed, 9, number], practice=True)
        judged = [at for at, _ in ops(group.usable) if at.sibling < options.judged]
        if not judged or len(group.usable) < 2:
            continue
        value, advantage = truth(group.usable, judged, agent, options.continuations)
        estimates: dict[str, Array] = {}
        for name in costs:
            estimates[name], cost = estimate(name, group.usable, judged, agent, options.rollouts)
            costs[name] = costs[name].plus(cost)
        worlds.append(World(value, advantage, estimates))
        if (number + 1) % 20 == 0:
            print(f"{number + 1} worlds", flush=True)
    return report(worlds, costs, options)


def report(worlds: Sequence[World], costs: dict[str, Cost], options: argparse.Namespace) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, cost in costs.items():
        value, advantage = interval(worlds, name, "value"), interval(worlds, name, "advantage")
        rows[name] = {
            "value": {"spearman": value[0], "ci95": value[1:]},
            "advantage": {"spearman": advantage[0], "ci95": advantage[1:]},
            "requests_per_world": cost.requests / len(worlds),
            "tokens_per_world": cost.tokens / len(worlds),
            "seconds_per_world": cost.seconds / len(worlds),
        }
    judged = int(sum(len(world.value) for world in worlds))
    return {"options": vars(options) | {"out": str(options.out)}, "worlds": len(worlds), "ops": judged, "rows": rows}


def show(result: dict[str, Any]) -> None:
    print(f"{result['worlds']} worlds, {result['ops']} ops; cost a world of {SIBLINGS} siblings")
    print(
        f"{'estimator':24s} {'value':>6s} {'95 %':>15s} {'advantage':>10s} {'95 %':>15s} {'asked':>7s} {'tokens':>8s}"
    )
    for name, row in sorted(result["rows"].items(), key=lambda item: -item[1]["value"]["spearman"]):
        value, advantage = row["value"], row["advantage"]
        spans = ["[{:5.2f}, {:5.2f}]".format(*one["ci95"]) for one in (value, advantage)]
        print(
            f"{name:24s} {value['spearman']:6.3f} {spans[0]:>15s} {advantage['spearman']:10.3f} {spans[1]:>15s} "
            f"{row['requests_per_world']:7.0f} {row['tokens_per_world']:8.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--continuations", type=int, default=64)
    parser.add_argument("--judged", type=int, default=2, help="siblings of a world whose ops are judged")
    parser.add_argument("--steps", type=int, default=8, help="training steps of the controller")
    parser.add_argument(
        "--rollouts", type=int, default=RolloutOptions().rollouts, help="of same_state and fresh_futures"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    result = measure(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)


if __name__ == "__main__":
    main()
