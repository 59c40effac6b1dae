"""Config to parts. Adding a part is a new file in its folder and one line in a table below."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from memory_stores.embed import Embedder, HashEmbedder, MiniLM
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.pattern_linker import PatternLinker
from memory_stores.token_store import TokenStore
from memory_stores.types import CountTokens
from memory_stores.vector_store import VectorStore
from memrl.advantages.credit import ESTIMATORS
from memrl.contracts.capabilities import Bounded, Foreseen, WritesTasks, able, need
from memrl.contracts.config import ControllerConfig, EnvConfig, MemoryConfig, TrainConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import TaskGenerator, TaskProposer
from memrl.contracts.learning import Curriculum, Reflection, Reflector
from memrl.contracts.protocols import Agent, Controller, Policy, TaskSource
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Task
from memrl.controllers.advice import advice_of, in_words, worthless
from memrl.controllers.archive import ArchiveAll
from memrl.controllers.fifo import Fifo
from memrl.controllers.guided import Guided
from memrl.controllers.lru import Lru
from memrl.controllers.none import NoWrites
from memrl.controllers.offers import OpOffers
from memrl.controllers.oracle import OracleKeeper
from memrl.controllers.scorer import Scorer
from memrl.controllers.similarity import Similarity
from memrl.controllers.uniform_random import UniformRandom
from memrl.controllers.window import Window
from memrl.curricula._draws import Draws
from memrl.curricula._kit import Kit as TaskKit
from memrl.curricula.azr import AbsoluteZero
from memrl.curricula.bandit import Bandit
from memrl.curricula.easy_to_hard import EasyToHard
from memrl.curricula.horizon_schedule import HorizonSchedule
from memrl.curricula.plr import Replay
from memrl.curricula.raw_variance import RawVariance
from memrl.curricula.recorded import Recorded
from memrl.curricula.uniform import Uniform
from memrl.curricula.written import Written
from memrl.envs.locomo.env import LocomoTasks
from memrl.envs.memworld.coins import CoinFlips
from memrl.envs.memworld.env import MemWorldTasks
from memrl.policies.advised import Advised
from memrl.policies.hf import HFPolicy
from memrl.policies.oracle_reader import OracleReader
from memrl.proposers.axes import AxesProposer
from memrl.proposers.lm import LmProposer
from memrl.reflection.rules import RuleMemory
from memrl.reflection.study import IN_CONTEXT, NoReflection, Reflecting
from memrl.reflectors.lm import LmReflector
from memrl.reflectors.tracker import Describe, Tracker
from memrl.training.collapse_monitor import CollapseMonitor, anchor_scores
from memrl.training.learner import Learner

ENVS: Mapping[str, Callable[[EnvConfig], TaskSource]] = {
    "memworld": lambda config: MemWorldTasks(config.theta),
    "memworld_coins": lambda config: CoinFlips(MemWorldTasks(config.theta)),
    "locomo": lambda config: LocomoTasks(config.data, config.theta),
}
EMBEDDERS: Mapping[str, Callable[[], Embedder]] = {"minilm": MiniLM, "hash": HashEmbedder}


@dataclass(frozen=True, slots=True)
class Kit:
    """What a controller may be made from."""

    table: TextTable
    config: ControllerConfig
    seed: int
    plan: Callable[[Task], Mapping[str, int]]


CONTROLLERS: Mapping[str, Callable[[Kit], Controller]] = {
    "scorer": lambda kit: Scorer(kit.table, kit.config, kit.seed),
    "untrained": lambda kit: Scorer(kit.table, kit.config, kit.seed),
    "none": lambda kit: NoWrites(),
    "window": lambda kit: Window(),
    "fifo": lambda kit: Fifo(),
    "lru": lambda kit: Lru(),
    "random": lambda kit: UniformRandom(),
    "similarity": lambda kit: Similarity(),
    "bm25_archive": lambda kit: ArchiveAll(),
    "oracle": lambda kit: OracleKeeper(kit.plan),
}
CURRICULA: Mapping[str, Callable[[TaskKit, TaskProposer | None], Curriculum]] = {
    "uniform": lambda kit, _: Uniform(kit.draws, kit.draws.names),
    "target": lambda kit, _: Uniform(kit.draws, kit.draws.names[-1:]),
    "bandit": lambda kit, _: Bandit(kit.draws, kit.config),
    "horizon_schedule": lambda kit, _: HorizonSchedule(kit.draws, kit.steps),
    "easy_to_hard": lambda kit, _: EasyToHard(kit.draws, kit.steps),
    "raw_variance": lambda kit, _: RawVariance(kit.draws, kit.config),
    "azr": lambda kit, _: AbsoluteZero(kit.draws, kit.config),
    "plr": lambda kit, _: Replay(kit.draws, kit.seed),
    "written": Written,
    "yoked": lambda kit, _: Recorded(kit),
    "shuffled": lambda kit, _: Recorded(kit, shuffled=True),
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What a proposer of tasks may be made from."""

    config: TrainConfig
    task_generator: TaskGenerator
    examples: Sequence[Task]
    policy: Policy


PROPOSERS: Mapping[str, Callable[[Desk], TaskProposer | None]] = {
    "none": lambda desk: None,
    "axes": lambda desk: AxesProposer(
        desk.task_generator.space(),
        desk.config.seed,
        learning_rate=desk.config.curriculum.proposer_learning_rate,
        entropy_floor=desk.config.curriculum.proposer_entropy,
        axis_dropout=desk.config.curriculum.axis_dropout,
    ),
    "lm": lambda desk: LmProposer(
        _writer(desk.policy),
        desk.task_generator.space(),
        desk.task_generator.signature,
        desk.examples,
        desk.config.seed,
        trained=desk.config.policy.trained,
        entropy_floor=desk.config.curriculum.proposer_entropy,
    ),
}


@dataclass(frozen=True, slots=True)
class Mirror:
    """What a reflector may be made from."""

    config: TrainConfig
    describe: Describe
    policy: Policy


REFLECTORS: Mapping[str, Callable[[Mirror], Reflector]] = {
    "tracker": lambda mirror: Tracker(
        mirror.config.reflection.feedback, mirror.describe, worthless, mirror.config.reflection.edits
    ),
    "lm": lambda mirror: LmReflector(
        _writer(mirror.policy, "reflection.name", "tracker"),
        mirror.config.reflection.feedback,
        worthless,
        mirror.config.reflection.edits,
        mirror.config.seed,
    ),
}


def pick(table: Mapping[str, Any], knob: str, name: str) -> Any:
    """The entry of that name, or one line that lists the names there are."""
    if name not in table:
        raise ConfigError(knob, name, f"it is none of {', '.join(table)}")
    return table[name]


def build_task_source(config: EnvConfig) -> TaskSource:
    return pick(ENVS, "env.name", config.name)(config)


def build_memory(config: MemoryConfig, count: CountTokens, embedder: Embedder) -> AgentMemory:
    """An empty memory with those stores whose budget is above zero."""
    return AgentMemory(
        token=TokenStore(config.token_budget, count) if config.token_budget else None,
        graph=GraphStore(config.graph_budget, count) if config.graph_budget else None,
        archive=VectorStore(config.archive_budget, count, embedder) if config.archive_budget else None,
    )


def keep_cost(config: MemoryConfig, count: CountTokens) -> Callable[[str], int]:
    """What keeping an observation's text takes at the least: a sentence, or its edges where there is a graph."""
    if not config.graph_budget:
        return count
    linker = PatternLinker()

    def cost(text: str) -> int:
        edges = linker.link(text)
        as_edges = sum(count(f"{e.subject} {e.relation} {e.object}") for e in edges)
        return min(count(text), as_edges) if edges else count(text)

    return cost


def build_controller(
    name: str, config: TrainConfig, table: TextTable, task_source: TaskSource, count: CountTokens
) -> Any:
    cost = keep_cost(config.memory, count)

    def plan(task: Task) -> Mapping[str, int]:
        keeper = need(task_source, Bounded, "controller.name", "oracle", "nobody knows its best keeper")
        return keeper.plan(task, config.memory.total, cost)

    return pick(CONTROLLERS, "controller.name", name)(Kit(table, config.controller, config.seed, plan))


def build_curriculum(config: TrainConfig, agent: Agent) -> Curriculum:
    """Who draws the tasks that an agent plays, and the proposer that writes some of them."""
    task_source, cost = agent.task_source, keep_cost(config.memory, agent.count_tokens)
    task_generator = _task_generator(config, agent)
    kit = TaskKit(
        draws=Draws(task_source, config.seed, config.env.train_seeds),
        config=config.curriculum,
        task_source=task_source,
        task_generator=task_generator,
        budget=config.memory.total,
        cost=cost,
        seed=config.seed,
        steps=config.planned_steps,
    )
    make = pick(CURRICULA, "curriculum.name", config.curriculum.name)
    if config.curriculum.proposer == "none":
        return make(kit, None)
    if config.curriculum.name != "written":
        way_out = "only curriculum.name = 'written' takes tasks from a proposer; use none"
        raise ConfigError("curriculum.proposer", config.curriculum.proposer, way_out)
    return make(kit, build_proposer(config, agent, kit.need_task_generator()))


def build_proposer(config: TrainConfig, agent: Agent, task_generator: TaskGenerator) -> TaskProposer | None:
    """Who writes tasks from nothing; None where nobody does."""
    examples = [agent.task_source.train(cell, 0) for cell in agent.task_source.cells()]
    desk = Desk(config, task_generator, examples, agent.policy)
    return pick(PROPOSERS, "curriculum.proposer", config.curriculum.proposer)(desk)


def build_agent(config: TrainConfig, policy: Policy | None = None, env: EnvConfig | None = None) -> Agent:
    """Everything that plays. ``policy`` and ``env`` replace what the config names."""
    task_source = build_task_source(env or config.env)
    reader = policy if policy is not None else HFPolicy(config.policy, seed=config.seed)
    count: CountTokens = getattr(reader, "count_tokens", _count_words)
    embedder = pick(EMBEDDERS, "memory.embedder", config.memory.embedder)()
    table = TextTable(embedder)
    _check_budget(config.memory, task_source, count)
    return Agent(
        policy=reader,
        controller=build_controller(config.controller.name, config, table, task_source, count),
        offers=OpOffers(
            table, count, PatternLinker(), edges=config.memory.graph_budget > 0, subjects=config.controller.subjects
        ),
        task_source=task_source,
        table=table,
        embedder=embedder,
        new_memory=lambda: build_memory(config.memory, count, embedder),
        read_budget=config.memory.read_budget,
        count_tokens=count,
        max_ops=config.controller.max_ops,
        rollout=config.rollout,
    )


class Parts(NamedTuple):
    """What a training run is made of."""

    agent: Agent
    practice: Agent
    """The same agent with an exact reader in the policy's context: such episodes cost no LM token in play."""
    curriculum: Curriculum
    learner: Learner
    reflection: Reflection
    monitor: CollapseMonitor


def build(config: TrainConfig) -> Parts:
    """All parts of a training run, fresh."""
    pick(ESTIMATORS, "credit.name", config.credit.name)
    for row in config.evaluation.rows:
        pick(CONTROLLERS, "evaluation.rows", row)
    agent = build_agent(config)
    curriculum = build_curriculum(config, agent)
    proposer: TaskProposer | None = getattr(curriculum, "proposer", None)
    learner = Learner(
        policy=agent.policy if config.policy.trained else None,  # pyright: ignore[reportArgumentType]
        controller=agent.controller if config.controller.trained else None,  # pyright: ignore[reportArgumentType]
        config=config.learner,
        seed=config.seed,
        total_updates=config.planned_steps,
        # One that writes with the policy's weights has none of its own.
        others=[proposer] if proposer is not None and next(proposer.parameters(), None) is not None else [],
    )
    practice = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}))
    monitor = CollapseMonitor(config.monitor, lambda: anchor_scores(practice, config.monitor.anchors), proposer)
    reflection, player, drilled = build_reflection(config, agent, practice)
    return Parts(player, drilled, curriculum, learner, reflection, monitor)


def build_reflection(config: TrainConfig, agent: Agent, practice: Agent) -> tuple[Reflection, Agent, Agent]:
    """Who studies failures, and both agents, under the influence of standing rules where the mode says so."""
    knobs = config.reflection
    if knobs.mode == "off":
        return NoReflection(), agent, practice
    if not hasattr(agent.controller, "offer_logprobs"):
        raise ConfigError("reflection.mode", knobs.mode, "rules and lessons need controller.name = 'scorer'")
    describe: Describe = lambda offers, index: in_words(advice_of(offers, index))  # noqa: E731
    reflector = pick(REFLECTORS, "reflection.name", knobs.name)(Mirror(config, describe, agent.policy))
    task_generator = _task_generator(config, agent)
    memory = RuleMemory(knobs)
    reflection = Reflecting(
        knobs,
        reflector,
        memory,
        task_generator.signature if task_generator is not None else lambda task: "",
        seed=config.seed,
        controller=agent.controller if config.controller.trained else None,  # pyright: ignore[reportArgumentType]
        policy=agent.policy if config.policy.trained else None,  # pyright: ignore[reportArgumentType]
        logprobs_of=getattr(reflector, "logprobs", None) if config.policy.trained else None,
    )
    if knobs.mode not in IN_CONTEXT:
        return reflection, agent, practice
    guided = Guided(agent.controller, lambda: [rule.advice for rule in memory.standing], knobs.bonus)  # pyright: ignore[reportArgumentType]
    advised = Advised(agent.policy, lambda: [rule.text for rule in memory.standing])
    swayed = dataclasses.replace(agent, controller=guided, policy=advised)
    return reflection, swayed, dataclasses.replace(practice, controller=guided)


def _check_budget(memory: MemoryConfig, task_source: TaskSource, count: CountTokens) -> None:
    """Where texts are known beforehand, token memory must hold a typical one of them.

    Raises:
        ConfigError: it does not, so nothing could ever be written.
    """
    foreseen = able(task_source, Foreseen)
    texts = foreseen.texts(task_source.held_out(0)) if foreseen is not None else ()
    if not memory.token_budget or not texts:
        return
    typical = sorted(count(text) for text in texts)[len(texts) // 2]
    if min(memory.token_budget, memory.read_budget) < typical:
        knob = "token_budget" if memory.token_budget < typical else "read_budget"
        way_out = (
            f"too small for one fact: a text of env {task_source.name!r} takes about {typical} tokens; "
            f"give {typical * 4}"
        )
        raise ConfigError(f"memory.{knob}", getattr(memory, knob), way_out)


def _task_generator(config: TrainConfig, agent: Agent) -> TaskGenerator | None:
    """Where tasks of the agent's source are written and checked; None where nobody can."""
    writes = able(agent.task_source, WritesTasks)
    if writes is None:
        return None
    return writes.task_generator(config.memory.total, keep_cost(config.memory, agent.count_tokens))


def _count_words(text: str) -> int:
    return len(text.split())


def _writer(policy: Policy, knob: str = "curriculum.proposer", instead: str = "axes") -> Any:
    """The policy, if it can write under a rule. Raises ConfigError."""
    if not hasattr(policy, "write_under"):
        raise ConfigError(knob, "lm", f"this policy is no language model; use {instead}")
    return policy
