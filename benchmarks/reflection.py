"""Does a failure, studied and proven, teach more than the same cost in further tries?

python benchmarks/reflection.py --arm off --seed 0       # one run, some 100 s on one core; all of them if not given
python benchmarks/reflection.py --wrong --seed 0         # share of wrong lessons, with proof and without
python benchmarks/reflection.py --table                  # what is in benchmarks/results/reflection, as markdown

The controller alone, from scratch, on the default task; questions are read without error and what a model would have
read is counted in tokens. Every arm trains until tokens read plus environment steps reach ``--budget``; replays and
siblings count, so the arm "off" trains on more tasks. Then the same held-out tasks are played:

    first attempt   without any rule: the network alone, greedy and as it samples
    with rules      under the standing rules, for arms that have them
Results go to benchmarks/results/reflection/ARM-SEED.json; a finished one is not run again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from credit_curves import CountingReader

from memrl.advantages.credit import give_credit
from memrl.contracts.config import TrainConfig
from memrl.contracts.learning import Lesson
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Group, Task
from memrl.controllers.advice import advice_of
from memrl.evaluate import held_out_tasks
from memrl.recipes import recipe
from memrl.reflection.proof import replayed, siblings_of, try_rules, without_rules
from memrl.reflection.study import Reflecting
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play, play_all
from memrl.training.batch import make_batch
from memrl.training.build import Parts, build

RESULTS = Path(__file__).parent / "results" / "reflection"
ARMS = ("off", "in_context", "distil", "dpo", "distil_memory")
WEIGHTS = {"distil": 0.2, "distil_memory": 0.2}
"""Of lessons in the loss: cross-entropy pulls at every weight, a preference lets go where it is met."""
SEEDS = (0, 1, 2, 3, 4)
HELD_OUT = 64
BUDGET = 1_700_000
"""Tokens read plus environment steps of a training run."""


def config_for(arm: str, seed: int, tasks: int, **reflection: Any) -> TrainConfig:
    """The main job's task and its controller, which sees no subjects here, with no LM in the loop."""
    return recipe(
        "quickstart",
        seed=seed,
        policy={"trained": False},
        warm_start={"steps": 0},
        controller={"options": {"width": 4, "hidden": 32}},
        # A constant rate: an arm stops when its budget is spent, which no schedule knows beforehand.
        learner={"decay_from": 1.0},
        curriculum={"name": "target"},
        rollout={"tasks": 0, "practice_tasks": tasks},
        reflection={"mode": arm, "weight": WEIGHTS.get(arm, 1.0), **reflection},
    )


class Cost:
    """Tokens read and environment steps, whoever caused them."""

    def __init__(self, reader: CountingReader, reflection: Any) -> None:
        self._reader, self._reflection = reader, reflection
        self.steps = 0

    @property
    def tokens(self) -> int:
        return self._reader.tokens

    @property
    def of_proof(self) -> int:
        """Environment steps of replays and siblings; their tokens are counted by the reader."""
        return self._reflection.spent.steps if isinstance(self._reflection, Reflecting) else 0

    @property
    def total(self) -> int:
        return self.tokens + self.steps + self.of_proof


def played(agent: Agent, tasks: Sequence[Task], greedy: bool) -> float:
    """Mean success."""
    contexts = [
        EpisodeContext(
            agent=agent, task=task, memory=agent.new_memory(), rng=np.random.default_rng([i, 7]), greedy=greedy
        )
        for i, task in enumerate(tasks)
    ]
    return float(np.mean([e.success for e in play_all(map(play_episode, contexts), agent, 256)]))


def look(parts: Parts, tasks: Sequence[Task]) -> dict[str, float]:
    """Held-out success of the first attempt, and under rules."""
    bare = without_rules(parts.practice)
    found = {"first": played(bare, tasks, True), "first_sampled": played(bare, tasks, False)}
    if parts.practice.controller is not bare.controller:
        found |= {"rules": played(parts.practice, tasks, True), "rules_sampled": played(parts.practice, tasks, False)}
    return found


def train_step(step: int, parts: Parts, player: Agent, config: TrainConfig, cost: Cost) -> dict[str, float]:
    drawn = parts.curriculum.draw(config.rollout.practice_tasks)
    groups = play(player, drawn, [config.seed, step, 1], practice=True)
    cost.steps += sum(len(e.steps) for group in groups for e in group.episodes)
    lessons = parts.reflection.study(groups, player)
    parts.curriculum.observe(groups, lessons)
    auxiliary_losses = parts.reflection.auxiliary_losses(lessons)
    parts.learner.update(make_batch(give_credit(groups, config.credit, player), auxiliary_losses))
    return parts.reflection.metrics()


def run(arm: str, seed: int, options: argparse.Namespace) -> None:
    target = RESULTS / f"{arm}-{seed}.json"
    if target.exists():
        return
    config = config_for(arm, seed, options.tasks)
    parts = build(config)
    reader = CountingReader(parts.agent)
    player = dataclasses.replace(parts.practice, policy=reader)
    tasks = held_out_tasks(parts.agent, config, 0, HELD_OUT)
    player.table.add([text for task in tasks for text in parts.agent.task_source.texts(task)])
    cost, points, told, step = Cost(reader, parts.reflection), [], {}, 0
    while cost.total < options.budget:
        step += 1
        told = train_step(step, parts, player, config, cost)
        if step % options.every == 0:
            points.append({"step": step, "cost": cost.total, **look(parts, tasks)})
            print(f"{arm} seed {seed} step {step}: {points[-1]}", flush=True)
    result = {
        "arm": arm, "seed": seed, "steps": step, "tokens": cost.tokens, "env_steps": cost.steps,
        "proof_steps": cost.of_proof, "budget": options.budget, **look(parts, tasks), "points": points, "last": told,
    }  # fmt: skip
    if isinstance(parts.reflection, Reflecting):
        result["memory"] = parts.reflection.memory.state_dict()
    write(target, result)


class Wrong(NamedTuple):
    """Of the lessons that were stored."""

    stored: int
    replay: float
    """Share whose edit gains nothing in replay."""
    sibling: float
    """Share whose rule loses on fresh siblings."""


def wrong_lessons(lessons: Sequence[Lesson], groups: Sequence[Group], agent: Agent, seed: int) -> Wrong:
    """Every stored lesson measured anew, on siblings that its study did not see."""
    if not lessons:
        return Wrong(0, 0.0, 0.0)
    measured, _ = replayed(lessons, groups, agent)
    advice = [advice_of(lesson.decision.offers, lesson.better) for lesson in lessons]
    tasks = siblings_of([lesson.task for lesson in lessons], agent, 8, np.random.default_rng([seed, 0xA0D]))
    rules = {one.key: (one, "") for one in advice}
    trials, _ = try_rules(list(rules.values()), tasks, agent, 2.0, True)
    gain = {key: float(np.mean([trial.gain for trial in trials if trial.key == key])) for key in rules}
    return Wrong(
        len(lessons),
        float(np.mean([one.lesson.gain <= 0 for one in measured])),
        float(np.mean([gain[one.key] < 0 for one in advice])),
    )


def wrong(seed: int, options: argparse.Namespace) -> None:
    """Lessons of one study at each feedback level, proven and not, along one training run of the arm "off"."""
    target = RESULTS / f"wrong-{seed}.json"
    if target.exists():
        return
    config = config_for("off", seed, options.tasks)
    parts = build(config)
    rows: list[dict[str, Any]] = []
    for step in range(1, 13):
        drawn = parts.curriculum.draw(options.tasks)
        groups = play(parts.practice, drawn, [seed, step, 1], practice=True)
        parts.learner.update(make_batch(give_credit(groups, config.credit, parts.practice)))
        if step % 6:
            continue
        for feedback in ("none", "binary", "diff"):
            for verify in (False, True):
                knobs = config_for(
                    "distil", seed, options.tasks, options={"feedback": feedback}, verify=verify, share=0.5
                )
                reflection = build_study(knobs, parts)
                stored = reflection.study(groups, parts.practice)
                found = wrong_lessons(stored, groups, parts.practice, seed)
                rows.append({"step": step, "feedback": feedback, "verify": verify, **found._asdict()})
                print(rows[-1], flush=True)
    write(target, {"seed": seed, "rows": rows})


def build_study(config: TrainConfig, parts: Parts) -> Any:
    """Reflection as ``config`` says over an agent in hand."""
    from memrl.training.build import build_reflection

    return build_reflection(config, parts.agent, parts.practice)[0]


def write(target: Path, result: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=1) + "\n")


def table() -> str:
    """Markdown: the arms, then the wrong lessons."""
    lines = [
        "| arm | seeds | steps | first attempt, no rules (95 %) | as sampled | with rules | gain kept |",
        "|---|---|---|---|---|---|---|",
    ]
    found = {arm: [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{arm}-[0-9]*.json"))] for arm in ARMS}
    mean = {arm: float(np.mean([row["first"] for row in rows])) for arm, rows in found.items() if rows}
    in_context = [row["rules"] for row in found["in_context"]]
    for arm, rows in found.items():
        if rows:
            swayed = [row["rules"] for row in rows if "rules" in row]
            kept = _kept(mean.get(arm), mean.get("off"), in_context) if arm not in ("off", "in_context") else ""
            steps = f"{np.mean([row['steps'] for row in rows]):.1f}"
            cells = [arm, len(rows), steps, _interval([row["first"] for row in rows])]
            cells += [_interval([row["first_sampled"] for row in rows]), _interval(swayed) if swayed else "", kept]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", *wrong_table()])


def _kept(first: float | None, off: float | None, in_context: Sequence[float]) -> str:
    """Share of the in-context gain over "off" that the first attempt shows with no rule in view."""
    if first is None or off is None or not in_context or np.mean(in_context) <= off:
        return ""
    return f"{(first - off) / (float(np.mean(in_context)) - off):.0%}"


def _interval(values: Sequence[float]) -> str:
    """Mean and its 95 % interval over seeds, by Student's t."""
    middle = float(np.mean(values))
    if len(values) < 2:
        return f"{middle:.3f}"
    t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}.get(len(values), 2.26)
    half = t * float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return f"{middle:.3f} ({middle - half:.3f} to {middle + half:.3f})"


def wrong_table() -> list[str]:
    rows = [row for path in sorted(RESULTS.glob("wrong-*.json")) for row in json.loads(path.read_text())["rows"]]
    if not rows:
        return []
    lines = [
        "| feedback | proof | lessons stored | wrong by replay | rule loses on fresh siblings |",
        "|---|---|---|---|---|",
    ]
    for feedback in ("none", "binary", "diff"):
        for verify in (False, True):
            own = [row for row in rows if row["feedback"] == feedback and row["verify"] == verify]
            stored = sum(row["stored"] for row in own)
            replay, sibling = (
                sum(row[kind] * row["stored"] for row in own) / max(1, stored) for kind in ("replay", "sibling")
            )
            lines.append(f"| {feedback} | {'yes' if verify else 'no'} | {stored} | {replay:.1%} | {sibling:.1%} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arm", choices=ARMS, nargs="+", default=list(ARMS))
    parser.add_argument("--seed", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print(table())
        return
    torch.set_num_threads(1)
    for seed in options.seed:
        if options.wrong:
            wrong(seed, options)
            continue
        for arm in options.arm:
            run(arm, seed, options)


if __name__ == "__main__":
    main()
