"""ReAct (arXiv:2210.03629) at the run's read budget: a thought before each action, and as memory a window as long as
the read budget, in which thoughts and actions stand beside what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import register
from memrl.contracts.rows import RowContext
from memrl.policies.in_turns import THOUGHT, InTurns, Turn
from memrl.rollouts.rows.one_try import OneTry

THINK = Turn(THOUGHT, "Before you act, say in one line what you know and what you will do next.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOptions:
    """Of a row that takes turns."""

    turn_tokens: int = 48
    """Tokens of a turn at the most."""

    def __post_init__(self) -> None:
        if self.turn_tokens < 1:
            raise ConfigError("turn_tokens", self.turn_tokens, "it must be at least 1")


def in_turns(context: RowContext, turns: Sequence[Turn], most: int) -> Agent:
    """The agent with turns before each action and a window of its read budget.

    Raises:
        ConfigError: its policy does not write freely.
    """
    context.need_writer()
    agent = context.with_controller("window")
    rollout = replace(agent.rollout, scratch_turns=max(agent.rollout.scratch_turns, len(turns)), keep_thoughts=True)
    return replace(
        agent,
        policy=InTurns(agent.policy, turns, most),
        new_memory=lambda: AgentMemory(token=TokenStore(agent.read_budget, agent.count_tokens)),
        archive_all=False,
        rollout=rollout,
    )


def _make(context: RowContext, options: TurnOptions) -> OneTry:
    return OneTry(in_turns(context, [THINK], options.turn_tokens), context.greedy)


register("row", "react", _make, TurnOptions)
