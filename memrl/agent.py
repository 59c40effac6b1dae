"""Wrap: a model, a memory and a controller as one agent that observes and answers.

wrap("smollm2-135m")          keeps what fits, and the controller that ships chooses what is in view
wrap("runs/quickstart-0")     the run's own policy, controller and budgets
wrap(model, tokenizer=tok)    a transformers model in hand
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from memory_stores.memory import AgentMemory
from memory_stores.types import Keep, MemoryOp
from memrl.contracts.config import EnvConfig, MemoryConfig, PolicyConfig, TrainConfig
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Observation, Say, Task, ViewLine
from memrl.policies.hf import HFPolicy
from memrl.policies.oracle_reader import OracleReader
from memrl.rollouts.outside import answer_question, take_in
from memrl.rollouts.play import EpisodeContext
from memrl.training.build import build_agent
from memrl.training.policies import load_policies
from memrl.training.run_folder import is_run, load_run
from memrl.training.start import SHIPPED, started_config

WRAPPED = Task(env="conversation", theta=None, seed=0, split="eval")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the agent said, and why."""

    text: str
    used: tuple[ViewLine, ...]
    """Items and edges that were in view."""
    ops: tuple[MemoryOp, ...]
    """What the controller did to get them there."""


class MemoryAgent:
    """Remembers what it observes, under a budget, and answers from it."""

    def __init__(self, agent: Agent, memory: AgentMemory, path: Path | None = None) -> None:
        self._context = EpisodeContext(
            agent=agent, task=WRAPPED, memory=memory, rng=np.random.default_rng(0), greedy=True
        )
        self._path = path
        self._clock = max((entry.stamp.step for entry in memory.entries()), default=-1) + 1

    @property
    def memory(self) -> AgentMemory:
        return self._context.memory

    def observe(self, text: str, trust: float = 1.0) -> tuple[MemoryOp, ...]:
        """Take in one text; returns the ops that the controller made of it (none: it was not worth keeping).

        Raises:
            ValueError: ``text`` is blank.
        """
        if not text.strip():
            raise ValueError("observe(text): text is blank; pass what was seen or said")
        decisions = take_in(self._context, self._observation(text, False, trust))
        if (took_in := getattr(self._context.agent.offers, "took_in", None)) is not None:
            took_in(self.memory, text)
        return _ops(decisions)

    def ask(self, question: str) -> Answer:
        """Answer from memory. The question itself is not remembered.

        Raises:
            ValueError: ``question`` is blank.
        """
        if not question.strip():
            raise ValueError("ask(question): question is blank")
        decisions, view, answer = answer_question(self._context, self._observation(question, True, 1.0))
        text = answer.action.text if isinstance(answer.action, Say) else ""
        return Answer(text=text, used=view, ops=_ops(decisions))

    def save(self, path: str | Path | None = None) -> Path:
        """Write the memory to one file, atomically; ``wrap(..., memory=path)`` takes it up again.

        Raises:
            ValueError: no path was given here or to ``wrap``.
        """
        target = Path(path) if path is not None else self._path
        if target is None:
            raise ValueError("save(path): no path given, neither here nor as wrap(..., memory=path)")
        self.memory.save(target)
        return target

    def _observation(self, text: str, asks: bool, trust: float) -> Observation:
        step, self._clock = self._clock, self._clock + 1
        return Observation(id=f"u{step}", step=step, content=text, trust=trust, wants_action=asks, writable=not asks)


def wrap(
    model: str | Path | Any,
    memory: str | Path | None = None,
    *,
    tokenizer: Any = None,
    archive_tokens: int = 100_000,
    read_tokens: int = 256,
    controller: str = SHIPPED,
    checkpoint: Literal["last", "best"] = "last",
) -> MemoryAgent:
    """A memory agent around a model.

    Args:
        model: a run folder, a known name, a model folder, a hub id, or a transformers causal LM.
        memory: file that the memory is loaded from, if it exists, and saved to.
        tokenizer: of a model passed as an object.
        archive_tokens: budget of the archive, where ``model`` is not a run.
        read_tokens: tokens of memory in view at one question, where ``model`` is not a run.
        controller: an exported one's folder, where ``model`` is not a run; "shipped" for the one of the package.
        checkpoint: of a run, its newest weights or its best.

    Raises:
        InputError: the model or the file cannot be used.
    """
    if isinstance(model, str | Path) and is_run(Path(model)):
        agent = _from_run(Path(model), checkpoint)
    else:
        agent = _from_model(model, tokenizer, archive_tokens, read_tokens, controller)
    path = Path(memory) if memory is not None else None
    store = _load(path, agent) if path is not None and path.exists() else agent.new_memory()
    return MemoryAgent(agent, store, path)


def _load(path: Path, agent: Agent) -> AgentMemory:
    """The file's memory, an archive of the run's own kind included."""
    empty = agent.new_memory().archive
    try:
        return AgentMemory.load(path, count_tokens=agent.count_tokens, embedder=agent.embedder, archive=empty)
    except ValueError as error:
        raise DataError(str(error)) from error


def _from_run(folder: Path, which: Literal["last", "best"]) -> Agent:
    config, checkpoint = load_run(folder, which)
    agent = build_agent(config)
    if isinstance(agent.policy, OracleReader):
        way_out = (
            "the policy of this run only reads evidence labels; `memrl export RUN --what controller`, then wrap a "
        )
        raise ConfigError("wrap(model)", str(folder), way_out + "model with controller=DIR")
    load_policies(agent, checkpoint)
    agent.controller.load_state_dict(checkpoint["controller"])
    return agent


def _from_model(model: Any, tokenizer: Any, archive_tokens: int, read_tokens: int, controller: str) -> Agent:
    name = str(model) if isinstance(model, str | Path) else "object"
    policy_config = PolicyConfig(model=name, max_new_tokens=32)
    loaded = None if isinstance(model, str | Path) else model
    policy = HFPolicy(policy_config, model=loaded, tokenizer=tokenizer)
    config = TrainConfig(
        env=EnvConfig(name="conversation"),
        policy=policy_config,
        memory=MemoryConfig(
            token_budget=0,
            archive_budget=archive_tokens,
            archive_all=True,
            archive="bm25",
            read_budget=read_tokens,
            texts=0,
        ),
        controller=started_config(controller),
    )
    return build_agent(config, policy=policy)


def _ops(decisions: Any) -> tuple[MemoryOp, ...]:
    return tuple(op for d in decisions for op in d.ops if not isinstance(op, Keep) and not d.refused)
