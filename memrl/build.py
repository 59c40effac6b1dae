"""Config to parts. Adding a part is a new file in its folder and one line in a table below."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from memory_stores.embed import Embedder, HashEmbedder, MiniLM
from memory_stores.graph_store import GraphStore
from memory_stores.memory import AgentMemory
from memory_stores.pattern_linker import PatternLinker
from memory_stores.token_store import TokenStore
from memory_stores.types import CountTokens
from memory_stores.vector_store import VectorStore
from memrl.config import ControllerConfig, CurriculumConfig, EnvConfig, MemoryConfig, TrainConfig
from memrl.controllers.archive import ArchiveAll
from memrl.controllers.fifo import Fifo
from memrl.controllers.lru import Lru
from memrl.controllers.none import NoWrites
from memrl.controllers.oracle import OracleKeeper
from memrl.controllers.proposals import Proposer
from memrl.controllers.scorer import Scorer
from memrl.controllers.similarity import Similarity
from memrl.controllers.uniform_random import UniformRandom
from memrl.controllers.window import Window
from memrl.credit import ESTIMATORS
from memrl.curricula._draws import Draws
from memrl.curricula.bandit import Bandit
from memrl.curricula.uniform import Uniform
from memrl.envs.locomo.env import LocomoFamily
from memrl.envs.memworld.env import MemWorldFamily
from memrl.errors import ConfigError
from memrl.learner import Learner
from memrl.policies.exact import ExactReader
from memrl.policies.hf import HFPolicy
from memrl.protocols import Agent, Controller, Curriculum, EnvFamily, Policy, Reflection, Task
from memrl.reflect import NoReflection
from memrl.types import TextTable

ENVS: Mapping[str, Callable[[EnvConfig], EnvFamily]] = {
    "memworld": lambda config: MemWorldFamily(config.theta),
    "locomo": lambda config: LocomoFamily(config.data, config.theta),
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
CURRICULA: Mapping[str, Callable[[Draws, CurriculumConfig], Curriculum]] = {
    "uniform": lambda draws, config: Uniform(draws, draws.names),
    "target": lambda draws, config: Uniform(draws, draws.names[-1:]),
    "bandit": Bandit,
}


def pick(table: Mapping[str, Any], knob: str, name: str) -> Any:
    """The entry of that name, or one line that lists the names there are."""
    if name not in table:
        raise ConfigError(knob, name, f"it is none of {', '.join(table)}")
    return table[name]


def build_family(config: EnvConfig) -> EnvFamily:
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


def build_controller(name: str, config: TrainConfig, table: TextTable, family: EnvFamily, count: CountTokens) -> Any:
    cost = keep_cost(config.memory, count)

    def plan(task: Task) -> Mapping[str, int]:
        planned = family.plan(task, config.memory.total, cost)
        if planned is None:
            raise ConfigError("controller.name", "oracle", f"nobody knows the best keeper of env {family.name!r}")
        return planned

    return pick(CONTROLLERS, "controller.name", name)(Kit(table, config.controller, config.seed, plan))


def build_curriculum(config: TrainConfig, family: EnvFamily) -> Curriculum:
    draws = Draws(family.name, family.cells(), config.seed, config.env.train_seeds)
    return pick(CURRICULA, "curriculum.name", config.curriculum.name)(draws, config.curriculum)


def build_agent(config: TrainConfig, policy: Policy | None = None, env: EnvConfig | None = None) -> Agent:
    """Everything that plays. ``policy`` and ``env`` replace what the config names."""
    family = build_family(env or config.env)
    reader = policy if policy is not None else HFPolicy(config.policy, seed=config.seed)
    count: CountTokens = getattr(reader, "count_tokens", _count_words)
    embedder = pick(EMBEDDERS, "memory.embedder", config.memory.embedder)()
    table = TextTable(embedder)
    _check_budget(config.memory, family, count)
    return Agent(
        policy=reader,
        controller=build_controller(config.controller.name, config, table, family, count),
        proposer=Proposer(table, count, PatternLinker(), edges=config.memory.graph_budget > 0),
        family=family,
        table=table,
        embedder=embedder,
        new_memory=lambda: build_memory(config.memory, count, embedder),
        read_budget=config.memory.read_budget,
        count_tokens=count,
        max_ops=config.controller.max_ops,
    )


class Parts(NamedTuple):
    """What a training run is made of."""

    agent: Agent
    practice: Agent
    """The same agent with an exact reader in the policy's seat: such episodes cost no LM token."""
    curriculum: Curriculum
    learner: Learner
    reflection: Reflection


def build(config: TrainConfig) -> Parts:
    """All parts of a training run, fresh."""
    pick(ESTIMATORS, "credit.name", config.credit.name)
    agent = build_agent(config)
    learner = Learner(
        policy=agent.policy if config.policy.trained else None,  # pyright: ignore[reportArgumentType]
        controller=agent.controller if config.controller.trained else None,  # pyright: ignore[reportArgumentType]
        config=config.learner,
        seed=config.seed,
    )
    practice = dataclasses.replace(agent, policy=ExactReader({agent.family.name: agent.family}))
    return Parts(agent, practice, build_curriculum(config, agent.family), learner, NoReflection())


def _check_budget(memory: MemoryConfig, family: EnvFamily, count: CountTokens) -> None:
    """Where texts are known beforehand, token memory must hold a typical one of them.

    Raises:
        ConfigError: it does not, so nothing could ever be written.
    """
    texts = family.texts(family.held_out(0, list(family.cells().values())[-1]))
    if not memory.token_budget or not texts:
        return
    typical = sorted(count(text) for text in texts)[len(texts) // 2]
    if min(memory.token_budget, memory.read_budget) < typical:
        knob = "token_budget" if memory.token_budget < typical else "read_budget"
        way_out = (
            f"too small for one fact: a text of env {family.name!r} takes about {typical} tokens; give {typical * 4}"
        )
        raise ConfigError(f"memory.{knob}", getattr(memory, knob), way_out)


def _count_words(text: str) -> int:
    return len(text.split())
