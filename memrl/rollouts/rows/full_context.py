"""Full context: all that was seen and done stays in view, whatever the budget. What memory is measured against; its
tokens stand beside it.

A model that can read only so much sees the newest three quarters of that: the rest is for what stands around a view.
"""

from __future__ import annotations

from dataclasses import replace

from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memrl.contracts.registry import register
from memrl.contracts.rows import RowContext
from memrl.rollouts.rows.one_try import OneTry

UNLIMITED = 10**9


def _make(context: RowContext) -> OneTry:
    agent = context.with_controller("everything")
    longest = getattr(agent.policy, "context_length", None)
    room = UNLIMITED if longest is None else max(agent.read_budget, 3 * longest // 4)
    return OneTry(replace(
        agent,
        new_memory=lambda: AgentMemory(token=TokenStore(UNLIMITED, agent.count_tokens), graph=None, archive=None),
        read_budget=room,
        archive_all=False,
    ), context.greedy)  # fmt: skip


register("row", "full_context", _make)
