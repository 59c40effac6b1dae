"""Config to parts, nothing else. Which part a name stands for, ``contracts.registry`` knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from memory_stores.embed import Embedder
from memory_stores.graph_store import GraphStore
from memory_stores.linker import EntityLinker
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import CountTokens
from memrl.advantages.credit import check_estimator_fits
from memrl.contracts.capabilities import Bounded, Demonstrates, EvidenceReader, Foreseen, WritesTasks, able, need
from memrl.contracts.config import EnvConfig, MemoryConfig, TrainConfig
from memrl.contracts.contexts import (
    ControllerContext,
    CurriculumContext,
    OffersContext,
    PolicyContext,
    ProposerContext,
    ReflectorContext,
    StoreContext,
)
from memrl.contracts.errors import ConfigError
from memrl.contracts.generation import TaskGenerator, TaskProposer
from memrl.contracts.learning import Curriculum, Reflection
from memrl.contracts.promised import is_ours
from memrl.contracts.protocols import Agent, Offers, Policy, TaskSource, writes_notes
from memrl.contracts.registry import find, make, make_options
from memrl.contracts.rows import find_row
from memrl.contracts.texts import TextTable
from memrl.contracts.types import CONTROLLER, Task
from memrl.controllers.advice import advice_of, in_words, worthless
from memrl.controllers.guided import Guided
from memrl.controllers.offers import NUMBER_NAMES
from memrl.curricula._draws import Draws
from memrl.curricula.looked_at import LookedAt
from memrl.policies.advised import Advised
from memrl.policies.models import cache_folder
from memrl.policies.oracle_reader import OracleReader
from memrl.reflection.rules import RuleMemory
from memrl.reflection.study import IN_CONTEXT, NoReflection, Reflecting
from memrl.training.collapse_monitor import CollapseMonitor, anchor_scores
from memrl.training.learner import Learner
from memrl.training.policies import learners_of, with_others
from memrl.training.start import begin

OWN, UNTRAINED = "own", "untrained"
"""Rows of an evaluation: the run's controller as it was trained (the row bears its name), and before any training."""
Say = Callable[[str], None]
"""Where one line goes to the person who waits."""


def build_task_source(config: EnvConfig) -> TaskSource:
    return make("env", config.name, config.options, "env.name")


def build_policy(config: TrainConfig, task_source: TaskSource) -> Policy:
    context = PolicyContext(config=config.policy, seed=config.seed, task_source=task_source)
    return make("policy", config.policy.name, config.policy.options, "policy.name", context)


def build_linker(config: MemoryConfig) -> EntityLinker | None:
    return make("linker", config.linker, config.linker_options, "memory.linker")


def build_embedder(config: MemoryConfig) -> Embedder:
    return make("embedder", config.embedder, config.embedder_options, "memory.embedder")


def build_memory(config: MemoryConfig, count: CountTokens, embedder: Embedder) -> AgentMemory:
    """An empty memory with those stores whose budget is above zero. Raises ConfigError."""
    if config.archive_all and not config.archive_budget:
        raise ConfigError("memory.archive_all", True, "there is no archive; give memory.archive_budget some tokens")
    return AgentMemory(
        token=TokenStore(config.token_budget, count) if config.token_budget else None,
        graph=GraphStore(config.graph_budget, count) if config.graph_budget else None,
        archive=_archive(config, count, embedder) if config.archive_budget else None,
    )


def _archive(config: MemoryConfig, count: CountTokens, embedder: Embedder) -> Any:
    context = StoreContext(budget=config.archive_budget, count_tokens=count, embedder=embedder)
    return make("store", config.archive, config.archive_options, "memory.archive", context)


def keep_cost(config: MemoryConfig, count: CountTokens) -> Callable[[str], int]:
    """What keeping an observation's text takes at the least: a sentence, or its edges where there is a graph."""
    linker = build_linker(config) if config.graph_budget else None
    if linker is None:
        return count

    def cost(text: str) -> int:
        edges = linker.link(text)
        as_edges = sum(count(f"{e.subject} {e.relation} {e.object}") for e in edges)
        return min(count(text), as_edges) if edges else count(text)

    return cost


def build_controller(
    name: str,
    config: TrainConfig,
    table: TextTable,
    task_source: TaskSource,
    count: CountTokens,
    knob: str = "",
    policy: Policy | None = None,
    names: tuple[str, ...] = NUMBER_NAMES,
) -> Any:
    """A controller by name. The run's own has the options of ``config.controller``, any other its defaults.

    Args:
        names: [F] of the numbers of what is on offer.
    """
    cost = keep_cost(config.memory, count)

    def plan(task: Task) -> Mapping[str, int]:
        keeper = need(task_source, Bounded, "controller.name", "oracle", "nobody knows its best keeper")
        return keeper.plan(task, config.memory.total, cost)

    options = config.controller.options if name == config.controller.name else {}
    evidence = able(task_source, EvidenceReader)
    context = ControllerContext(
        table=table,
        seed=config.seed,
        plan=plan,
        policy=policy,
        evidence=evidence,
        demonstrates=able(task_source, Demonstrates),
        names=names,
        linked=build_linker(config.memory) is not None,
        cache=cache_folder() / "embeddings",
    )
    return make("controller", name, options, knob or "controller.name", context)


def build_curriculum(config: TrainConfig, agent: Agent) -> Curriculum:
    """Who draws the tasks that an agent plays, and the proposer that writes some of them."""
    task_source, cost = agent.task_source, keep_cost(config.memory, agent.count_tokens)
    knobs = config.curriculum
    context = CurriculumContext(
        draws=Draws(task_source, config.seed, config.env.train_seeds),
        config=knobs,
        task_source=task_source,
        task_generator=_task_generator(config, agent),
        budget=config.memory.total,
        cost=cost,
        seed=config.seed,
        steps=max(1, config.planned_steps),
    )
    if knobs.proposer != "none":
        proposer = build_proposer(config, agent, context.need_task_generator())
        context = dataclasses.replace(context, proposer=proposer)
    curriculum = make("curriculum", knobs.name, knobs.options, "curriculum.name", context)
    if knobs.proposer != "none" and getattr(curriculum, "proposer", None) is None:
        way_out = f"curriculum.name = {knobs.name!r} takes no tasks from a proposer; use none, or 'written'"
        raise ConfigError("curriculum.proposer", knobs.proposer, way_out)
    return curriculum if is_ours(curriculum) else LookedAt(curriculum, knobs.name)


def build_proposer(config: TrainConfig, agent: Agent, task_generator: TaskGenerator) -> TaskProposer | None:
    """Who writes tasks from nothing; None where nobody does."""
    context = ProposerContext(
        task_generator=task_generator,
        examples=[agent.task_source.train(cell, 0) for cell in agent.task_source.cells()],
        policy=agent.policy,
        policy_trained=config.policy.trained,
        seed=config.seed,
    )
    knobs = config.curriculum
    return make("proposer", knobs.proposer, knobs.proposer_options, "curriculum.proposer", context)


def build_offers(config: TrainConfig, table: TextTable, count: CountTokens, notes: bool = True) -> Offers:
    """What lists the ops on offer.

    Args:
        notes: whether texts are offered as the notes that the run's controller has written of them, if it has.
    """
    knobs = config.controller
    options = make_options(find("controller", knobs.name, "controller.name"), knobs.options, "controller.options")
    most = getattr(options, "note_tokens", 0) if notes else 0
    if most > (budget := config.memory.token_budget):
        why = f"a memory of {budget} tokens (memory.token_budget) holds no such note"
        raise ConfigError("controller.options.note_tokens", most, why)
    context = OffersContext(
        table=table,
        count_tokens=(lambda text: min(count(text), most)) if most else count,
        linker=build_linker(config.memory),
        edges=config.memory.graph_budget > 0,
        # A controller asks for subjects by an option of that name.
        subjects=bool(getattr(options, "subjects", False)),
        cache=cache_folder() / "embeddings",
    )
    return make("offers", knobs.offers, knobs.offers_options, "controller.offers", context)


def wants_offers(controller: Any) -> bool:
    """Whether a controller chooses among offers; else it writes its ops itself."""
    return bool(getattr(controller, "wants_offers", True))


def build_agent(config: TrainConfig, policy: Policy | None = None, env: EnvConfig | None = None) -> Agent:
    """Everything that plays. ``policy`` and ``env`` replace what the config names."""
    task_source = build_task_source(env or config.env)
    reader = policy if policy is not None else build_policy(config, task_source)
    count: CountTokens = getattr(reader, "count_tokens", _count_words)
    embedder = build_embedder(config.memory)
    table = TextTable(embedder)
    build_memory(config.memory, count, embedder)  # what no memory can be made of is told now
    _check_budget(config.memory, task_source, count)
    if (check_view := getattr(reader, "check_view", None)) is not None:
        check_view(config.memory.read_budget)
    knobs = config.controller
    offers = build_offers(config, table, count)
    controller = build_controller(knobs.name, config, table, task_source, count, policy=reader, names=offers.names)
    begin(controller, knobs)
    agent = Agent(
        policy=reader,
        controller=controller,
        offers=offers if wants_offers(controller) else None,
        task_source=task_source,
        table=table,
        embedder=embedder,
        new_memory=lambda: build_memory(config.memory, count, embedder),
        read_budget=config.memory.read_budget,
        read_trust=config.memory.read_trust,
        count_tokens=count,
        max_ops=knobs.max_ops,
        max_reads=knobs.max_reads,
        archive_all=config.memory.archive_all,
        rollout=config.rollout,
    )
    return with_others(agent, config)


class Parts(NamedTuple):
    """What a training run is made of."""

    agent: Agent
    practice: Agent
    """The same agent with an exact reader in the policy's context: such episodes cost no LM token in play."""
    curriculum: Curriculum
    learner: Learner
    reflection: Reflection
    monitor: CollapseMonitor


def build(config: TrainConfig, say: Say | None = None) -> Parts:
    """All parts of a training run, fresh.

    Args:
        say: told once of each part that was to be trained and has nothing to train.
    """
    estimator = find("estimator", config.credit.name, "credit.name")
    make_options(estimator, config.credit.options, "credit.options")
    for row in config.evaluation.rows:
        if row not in (OWN, UNTRAINED):
            find_row(row, "evaluation.rows")
    agent = build_agent(config)
    check_estimator_fits(config.credit, agent.task_source, written=_writes(agent))
    curriculum = build_curriculum(config, agent)
    proposer: TaskProposer | None = getattr(curriculum, "proposer", None)
    learner = Learner(
        policies=token_models(config, agent, say),
        scorer=_scorer(config, agent, say),
        config=config.learner,
        seed=config.seed,
        total_updates=max(1, config.planned_steps),
        # One that writes with the policy's weights has none of its own.
        others=[proposer] if proposer is not None and next(proposer.parameters(), None) is not None else [],
    )
    practice = dataclasses.replace(agent, policy=OracleReader({agent.task_source.name: agent.task_source}), others={})
    monitor = CollapseMonitor(config.monitor, lambda: anchor_scores(practice, config.monitor.anchors), proposer)
    reflection, player, drilled = build_reflection(config, agent, practice)
    return Parts(player, drilled, curriculum, learner, reflection, monitor)


def token_models(config: TrainConfig, agent: Agent, say: Say | None = None) -> dict[str, Any]:
    """Who learns from sampled tokens, by actor: the policy, and the model of a controller that writes in words."""
    models = dict(learners_of(config, agent, lambda part, wanted, section: trained(part, wanted, section, say)))
    if _writes(agent):
        writer = getattr(agent.controller, "policy", None)
        models[CONTROLLER] = trained(writer, config.controller.trained, "controller", say)
    return models


def _writes(agent: Agent) -> bool:
    """Whether the controller samples tokens."""
    return agent.offers is None or writes_notes(agent.controller)


def _scorer(config: TrainConfig, agent: Agent, say: Say | None) -> Any:
    """The controller that learns to choose among offers; None where it writes its own ops, or is not trained."""
    return None if agent.offers is None else trained(agent.controller, config.controller.trained, "controller", say)


def learns(part: Any) -> bool:
    """Whether a policy or a controller has weights that could be trained."""
    return callable(getattr(part, "parameters", None))


def trained(part: Any, wanted: bool, section: str, say: Say | None = None) -> Any:
    """The part, if its weights are to be trained and it has any; else None."""
    if wanted and not learns(part) and part is not None and say is not None:
        say(f"{section}.trained: {type(part).__name__} has no weights, so it stays as it is")
    return part if wanted and learns(part) else None


def build_reflection(config: TrainConfig, agent: Agent, practice: Agent) -> tuple[Reflection, Agent, Agent]:
    """Who studies failures, and both agents, under the influence of standing rules where the mode says so."""
    knobs = config.reflection
    if knobs.mode == "off":
        return NoReflection(), agent, practice
    if not hasattr(agent.controller, "offer_logprobs"):
        way_out = "rules and lessons need a controller that says how likely each offer is, such as 'scorer'"
        raise ConfigError("reflection.mode", knobs.mode, way_out)
    context = ReflectorContext(
        policy=agent.policy,
        seed=config.seed,
        describe=lambda offers, index: in_words(advice_of(offers, index)),
        worthless=worthless,
    )
    reflector = make("reflector", knobs.name, knobs.options, "reflection.name", context)
    task_generator = _task_generator(config, agent)
    memory, policy = RuleMemory(knobs), trained(agent.policy, config.policy.trained, "policy")
    reflection = Reflecting(
        knobs,
        reflector,
        memory,
        task_generator.signature if task_generator is not None else lambda task: "",
        seed=config.seed,
        controller=trained(agent.controller, config.controller.trained, "controller"),
        policy=policy,
        logprobs_of=getattr(reflector, "logprobs", None) if policy is not None else None,
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
    foreseen = able(task_source, Foreseen) if memory.token_budget else None
    texts = foreseen.texts(task_source.held_out(0)) if foreseen is not None else ()
    if not texts:
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
