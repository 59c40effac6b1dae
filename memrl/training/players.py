"""Others in the place of the run's controller, and other ways to play, at the same budgets: for rows of an evaluation,
for demonstrations."""

from __future__ import annotations

import dataclasses

from memory_stores.bm25_store import Bm25Store
from memory_stores.memory import AgentMemory
from memrl.contracts.config import TrainConfig
from memrl.contracts.protocols import Agent, writes_notes
from memrl.contracts.registry import make
from memrl.contracts.rows import Row, RowContext
from memrl.training.build import build_controller, build_offers, learns, wants_offers

UNLIMITED = 10**9
FORGETS = 8
"""Ops a step that a rule may take: it may have to forget several short items before a long one fits."""


def make_row(agent: Agent, config: TrainConfig, name: str, knob: str) -> Row:
    """The part of kind "row" of that name, for this agent.

    Raises:
        ConfigError: there is none, or the agent cannot play so.
    """
    context = RowContext(
        agent=agent,
        with_controller=lambda one: with_controller(agent, config, one, knob),
        name=name,
        knob=knob,
        greedy=config.evaluation.greedy,
    )
    return make("row", name, {}, knob, context)


def with_controller(agent: Agent, config: TrainConfig, name: str, knob: str) -> Agent:
    """The agent with a controller as it is made, before any training.

    Args:
        name: of the controller; the run's own keeps its options.
        knob: the setting that names it, for messages.

    Raises:
        ConfigError: there is no such controller, or it cannot be made here.
    """
    own = config.controller.name
    table, count = agent.table, agent.count_tokens
    noted = writes_notes(agent.controller) and name != own
    offers = (None if noted else agent.offers) or build_offers(config, table, count, notes=not noted)
    controller = build_controller(name, config, table, agent.task_source, count, knob, agent.policy, names=offers.names)
    agent = dataclasses.replace(agent, offers=offers if wants_offers(controller) else None)
    if name == "bm25_archive":
        return dataclasses.replace(
            agent,
            controller=controller,
            new_memory=lambda: AgentMemory(token=None, graph=None, archive=Bm25Store(UNLIMITED, count)),
        )
    max_ops = agent.max_ops if name == own or learns(controller) or name == "random" else FORGETS
    return dataclasses.replace(agent, controller=controller, max_ops=max_ops)
