"""What a step's episodes say, as numbers: success apart for the policy and for practice, ops, refusals, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from memory_stores.types import MEMORY_OPS
from memrl.contracts.types import ARCHIVIST, Decision, End, Episode, Group, OpDecision


def summarise(groups: Sequence[Group]) -> dict[str, float]:
    """Means over the episodes of one step. Nothing is skipped: failed episodes are counted by kind.

    ``dropped_groups`` counts groups of which fewer than two episodes can be compared: they teach nothing.
    """
    episodes = [episode for group in groups for episode in group.episodes]
    real = [e.success for e in episodes if not e.practice and e.end is not End.ENV_ERROR]
    drills = [e.success for e in episodes if e.practice and e.end is not End.ENV_ERROR]
    spreads = [float(np.std([e.success for e in group.usable])) for group in groups if group.usable]
    out = {
        "episodes": float(len(episodes)),
        "reward_std": float(np.mean(spreads)) if spreads else 0.0,
        "env_errors": float(sum(e.end is End.ENV_ERROR for e in episodes)),
        "dropped_groups": float(sum(len(group.usable) < 2 for group in groups)),
        "step_limits": float(sum(e.end is End.STEP_LIMIT for e in episodes)),
        "refused_ops": float(count_refused(episodes)),
        "context_tokens": float(sum(step.context_tokens for e in episodes if not e.practice for step in e.steps)),
    }
    if real:
        out["success"] = float(np.mean(real))
    if drills:
        out["practice_success"] = float(np.mean(drills))
    return out | op_shares(episodes)


def count_refused(episodes: Sequence[Episode]) -> int:
    """Decisions of which a memory op was refused."""
    return sum(d.refused for d in decisions_of(episodes))


def op_shares(episodes: Sequence[Episode]) -> dict[str, float]:
    """Share of each kind of op among the controller's decisions, or among the ops that it wrote in words."""
    kinds = Counter(type(d.action) for d in decisions_of(episodes) if isinstance(d, OpDecision))
    if not kinds:  # a controller that writes its ops in words
        kinds = Counter(type(op) for d in decisions_of(episodes) if d.actor != ARCHIVIST for op in d.ops)
    total = max(sum(kinds.values()), 1)
    return {f"ops/{op.__name__.lower()}": kinds[op] / total for op in MEMORY_OPS if kinds[op]}


def decisions_of(episodes: Sequence[Episode]) -> Iterator[Decision]:
    for episode in episodes:
        for step in episode.steps:
            yield from step.decisions
