"""Evaluate: a trained run beside the unlearned rows, on the same held-out tasks and the same budgets."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from memrl.contracts import rows as ways
from memrl.contracts.capabilities import Bounded, Bounds, Finite, Stretchable, able, need
from memrl.contracts.checks import whole
from memrl.contracts.config import EnvConfig, TrainConfig
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.overrides import EVAL_KNOBS, with_settings
from memrl.contracts.protocols import Agent
from memrl.contracts.rows import find_row, played, row_kind
from memrl.contracts.types import End, Episode, Task
from memrl.reporting.intervals import bounded_interval
from memrl.reporting.metrics import count_refused
from memrl.rollouts.rows.one_try import OneTry
from memrl.rollouts.scheduler import play
from memrl.training.build import (
    OWN,
    UNTRAINED,
    build_agent,
    build_task_source,
    keep_cost,
    learns,
)
from memrl.training.players import make_row, with_controller
from memrl.training.policies import load_policies
from memrl.training.run_folder import load_run
from memrl.training.trained_on import check_unseen

EVAL_SEED = 1_000_003
"""Held-out tasks of seed s start at s * EVAL_SEED; their names and phrasings never occur in training."""
COLLECTED = 0xC011
"""Marks what ``collect`` draws."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One controller on all tasks."""

    controller: str
    success: float
    """Mean over episodes of the share of questions answered right (or of the score, where answers are graded)."""
    ci95: tuple[float, float]
    """Of that mean over episodes (``bounded_interval``); NaN twice for one episode."""
    q: float | None
    """(success - floor) / (oracle - floor), None where the bounds are unknown."""
    tokens_per_step: float
    """Context tokens that the policy read, over environment steps."""
    seconds_per_step: float
    peak_context_tokens: int
    refused_ops: int
    tokens_per_episode: float = 0.0
    """Context tokens that were read for a task: at all its steps, in all tries, and in looking back on them."""
    tries: float = 1.0
    """Mean number of tries at a task; the last one counts."""
    env_errors: int = 0
    """Episodes that the environment ended with an error: they count in no figure."""
    cut: int = 0
    """Episodes that a limit of steps or tokens ended: they count by what was asked until then, as 0 for nothing."""
    categories: dict[str, float] = field(default_factory=dict)
    """Mean score of each kind of question."""
    by_episode: tuple[float | None, ...] = ()
    """Success on each task in turn, to compare rows in pairs; None where the environment failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalReport:
    """All rows on one set of tasks."""

    env: str
    episodes: int
    horizon: int
    seed: int
    memory_budget_tokens: int
    read_budget_tokens: int
    rows: tuple[Row, ...]
    own: str
    """The row of the run's own controller."""
    oracle: float | None
    """p*: mean success of the best keeper under the budget, read without error."""
    floor: float | None
    """g: mean success of guessing without memory."""
    greedy: bool = True
    """``evaluation.greedy``: whether every row but "untrained" took the likeliest everywhere."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def evaluate(
    run: Path | str,
    env: str | None = None,
    episodes: int | None = None,
    horizon: int | None = None,
    seed: int = 0,
    rows: Sequence[str] | None = None,
    memory_tokens: int | None = None,
    read_tokens: int | None = None,
    data: str | None = None,
    settings: Sequence[str] = (),
    checkpoint: Literal["last", "best"] = "last",
    progress: Progress | None = None,
) -> EvalReport:
    """Play held-out tasks with a run's trained policy and each controller in turn.

    Args:
        run: a run folder.
        env: another environment than the run's own, with its default options.
        episodes: how many tasks; None for the run's setting (or every dialogue, for an environment that reads data).
        horizon: steps an episode; None for the run's own.
        seed: of the tasks.
        rows: to compare, by name or as "module:attr": controllers, and parts of kind "row" such as "full_context"; None
            for the run's setting. "own" is the run's, "untrained" the same before any training. Another learned
            controller is played as it is made.
        memory_tokens: token budget in place of the run's; read budget too, unless ``read_tokens`` is given.
        read_tokens: tokens of memory in view at one step, in place of the run's.
        data: ``env.options.data``, for environments that read some.
        settings: knobs in place of the run's, as ``"memory.read_budget=96"``; those of ``EVAL_KNOBS``.
        checkpoint: the run's newest weights, or the best by its ``checkpoints.keep_best``.

    Raises:
        InputError: a name, a number or a folder cannot be used.
    """
    whole("seed", seed)
    config, parts = load_run(Path(run), checkpoint)
    config = with_settings(config, settings, EVAL_KNOBS)
    config = for_evaluation(config, env, horizon, memory_tokens, data, read_tokens)
    agent = build_agent(config)
    check_unseen(agent.task_source, parts.get("data", {}))
    load_policies(agent, parts)
    return evaluate_agent(
        agent, config, seed=seed, episodes=episodes, rows=rows, progress=progress, trained=parts["controller"]
    )


def collect(
    run: Path | str,
    episodes: int | None = None,
    tries: int = 1,
    greedy: bool = True,
    split: Literal["held_out", "train"] = "held_out",
    seed: int = 0,
    settings: Sequence[str] = (),
    checkpoint: Literal["last", "best"] = "last",
) -> list[Episode]:
    """Trajectories of a run's own policy and controller, for ``to_jsonl`` and ``to_dataset``.

    Args:
        run: a run folder.
        episodes: how many tasks; None for the run's ``evaluation.episodes``.
        tries: at each task; they stand side by side.
        greedy: take the likeliest everywhere; False samples, as training does.
        split: held-out tasks, or tasks of training as hard as they, for whatever is to learn from them.
        seed: of the tasks and of what is sampled.
        settings, checkpoint: as for ``evaluate``.

    Raises:
        InputError: a name, a number or a folder cannot be used.
    """
    for name, value, least in (("seed", seed, 0), ("tries", tries, 1)):
        whole(name, value, least)
    if split not in ("held_out", "train"):
        raise ConfigError("split", split, "it is none of held_out, train")
    config, parts = load_run(Path(run), checkpoint)
    config = with_settings(config, settings, EVAL_KNOBS)
    agent = build_agent(config)
    if split == "held_out":
        check_unseen(agent.task_source, parts.get("data", {}))
    load_policies(agent, parts)
    agent.controller.load_state_dict(parts["controller"])
    tasks = held_out_tasks(agent, config, seed, episodes)
    if split == "train":
        hardest = agent.task_source.cells()[-1]
        tasks = [agent.task_source.train(hardest, seed * EVAL_SEED + i) for i in range(len(tasks))]
    groups = play(agent, tasks, [seed, COLLECTED], tries=tries, greedy=greedy)
    return [episode for group in groups for episode in group.episodes]


def for_evaluation(
    config: TrainConfig,
    env: str | None = None,
    horizon: int | None = None,
    memory_tokens: int | None = None,
    data: str | None = None,
    read_tokens: int | None = None,
) -> TrainConfig:
    """A run's config with what an evaluation plays otherwise; None leaves a knob. Raises ConfigError."""
    env_config = config.env if env in (None, config.env.name) else EnvConfig(name=str(env))
    if horizon is not None:
        whole("horizon", horizon, 1)
    if data is not None:
        env_config = dataclasses.replace(env_config, options={**env_config.options, "data": data})
    if horizon is not None:
        source = need(build_task_source(env_config), Stretchable, "horizon", horizon, "leave it out")
        env_config = dataclasses.replace(env_config, options={**env_config.options, **source.at_horizon(horizon)})
    memory = config.memory
    if memory_tokens is not None:
        read = memory_tokens or memory.read_budget
        memory = dataclasses.replace(memory, token_budget=memory_tokens, read_budget=read)
    if read_tokens is not None:
        memory = dataclasses.replace(memory, read_budget=read_tokens)
    return dataclasses.replace(config, env=env_config, memory=memory)


def evaluate_agent(
    agent: Agent,
    config: TrainConfig,
    *,
    seed: int = 0,
    episodes: int | None = None,
    rows: Sequence[str] | None = None,
    trained: Any = None,
    progress: Progress | None = None,
) -> EvalReport:
    """The rows of ``evaluate`` for an agent in hand.

    Args:
        trained: state of the run's own controller; None for the agent's as it stands.
    """
    if isinstance(rows, str):
        raise ConfigError("rows", rows, "it must be a list of names")
    tasks = held_out_tasks(agent, config, seed, episodes)
    bounds = _bounds(agent, config, tasks)
    if trained is None:
        trained = agent.controller.state_dict()
    names = _known_rows(agent, config, rows or config.evaluation.rows, bounds is not None)
    # All of them first: one that cannot play is told before the others have.
    players = {name: _row(agent, config, name, trained) for name in names}
    made = []
    for name, player in players.items():
        if progress is not None:
            progress(name)
        made.append(play_row(name, player, tasks, seed, bounds))
    return EvalReport(
        env=agent.task_source.name,
        episodes=len(tasks),
        horizon=_horizon(tasks),
        seed=seed,
        memory_budget_tokens=config.memory.total,
        read_budget_tokens=config.memory.read_budget,
        rows=tuple(made),
        own=config.controller.name,
        oracle=bounds.ceiling if bounds else None,
        floor=bounds.floor if bounds else None,
        greedy=config.evaluation.greedy,
    )


def held_out_tasks(agent: Agent, config: TrainConfig, seed: int, episodes: int | None) -> list[Task]:
    """Tasks of the evaluation split with the run's own options."""
    finite = able(agent.task_source, Finite)
    most = finite.num_tasks if finite is not None else config.evaluation.episodes
    count = episodes if episodes is not None else config.evaluation.episodes
    whole("episodes", count, 1)
    if finite is not None:
        count = min(count, most)  # The same task once more is no more evidence.
    return [agent.task_source.held_out(seed * EVAL_SEED + i) for i in range(count)]


def _known_rows(agent: Agent, config: TrainConfig, rows: Sequence[str], has_oracle: bool) -> list[str]:
    """Each row once, by the name it bears; without those that there is nothing to play for."""
    named = dict.fromkeys(config.controller.name if name == OWN else name for name in rows)
    for name in named:
        if name != UNTRAINED:
            find_row(name, "rows")
    missing = {"oracle": has_oracle, UNTRAINED: learns(agent.controller)}
    return [name for name in named if missing.get(name, True)]


def _row(agent: Agent, config: TrainConfig, name: str, trained: Any) -> ways.Row:
    """Who plays a row: a way of its own, or the agent with another controller in its context, at the same budgets."""
    if row_kind(name) == "row":
        return make_row(agent, config, name, "rows")
    own = config.controller.name
    player = with_controller(agent, config, own if name == UNTRAINED else name, "rows")
    if name == own:
        player.controller.load_state_dict(trained)
    return OneTry(player, greedy=config.evaluation.greedy and name != UNTRAINED)


def play_row(name: str, row: ways.Row, tasks: Sequence[Task], seed: int, bounds: Bounds | None) -> Row:
    """Play of every task, and its figures."""
    started = time.perf_counter()
    found = played(name, "rows", row.play(tasks, [seed, 0xE7A1]), len(tasks))
    told = summarise_row(name, [one.episode for one in found], time.perf_counter() - started, bounds)
    extra = sum(one.tokens for one in found) / len(found)
    return dataclasses.replace(
        told, tries=sum(one.tries for one in found) / len(found), tokens_per_episode=told.tokens_per_episode + extra
    )


def summarise_row(name: str, episodes: Sequence[Episode], seconds: float, bounds: Bounds | None) -> Row:
    """Figures of one row; an environment's failures are counted apart and not scored."""
    scored = [e for e in episodes if e.end is not End.ENV_ERROR]
    if not scored:
        raise InputError(f"row {name!r}: every episode ended in an environment error: {episodes[0].error}")
    successes = [e.success for e in scored]
    mean = float(np.mean(successes))
    steps = [step for e in scored for step in e.steps]
    by_category: dict[str, list[float]] = defaultdict(list)
    for verdict in (step.verdict for step in steps if step.verdict is not None):
        by_category[verdict.category].append(verdict.score)
    q = None
    if bounds is not None and bounds.ceiling > bounds.floor:
        q = (mean - bounds.floor) / (bounds.ceiling - bounds.floor)
    return Row(
        controller=name,
        success=mean,
        ci95=bounded_interval(successes),
        q=q,
        tokens_per_step=sum(step.context_tokens for step in steps) / len(steps),
        tokens_per_episode=sum(step.context_tokens for step in steps) / len(scored),
        seconds_per_step=seconds / len(steps),
        peak_context_tokens=max(step.context_tokens for step in steps),
        refused_ops=count_refused(scored),
        env_errors=len(episodes) - len(scored),
        cut=sum(e.end in (End.STEP_LIMIT, End.TOKEN_LIMIT) and e.judged is None for e in scored),
        categories={name: float(np.mean(scores)) for name, scores in sorted(by_category.items())},
        by_episode=tuple(None if e.end is End.ENV_ERROR else float(e.success) for e in episodes),
    )


def _bounds(agent: Agent, config: TrainConfig, tasks: Sequence[Task]) -> Bounds | None:
    cost = keep_cost(config.memory, agent.count_tokens)
    bounded = able(agent.task_source, Bounded)
    if bounded is None:
        return None
    known = [bounded.bounds(task, config.memory.total, cost) for task in tasks]
    return Bounds(float(np.mean([b.ceiling for b in known])), float(np.mean([b.floor for b in known])))


def _horizon(tasks: Sequence[Task]) -> int:
    return int(getattr(tasks[0].theta, "horizon", 0))
