"""Advantages of four memory agents, as they publish them: MemAgent, Mem-alpha, UMA, ReMemR1.

Each trains several context-independent rows of one rollout on rewards of which most come at its end. They differ in
which rows stand in one group, and that is all that is here. Rewards are arguments.

Shapes: G rollouts of one task (one group), N rows of theirs (a chunk written, a question answered), M questions.
Standard deviations are sample ones (n - 1) with ``EPS`` added, as in the code that they all build on.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memrl.algos.group_advantages import EPS, Array, relative, standardised

Index = NDArray[np.int64]


def memagent(final_rewards_G: Array, rollout_N: Index, with_std: bool = False) -> Array:
    """MemAgent (Yu et al. 2025, arXiv:2507.02259): the last answer's advantage, copied to all rows of its rollout.

    Mean (and deviation) run over rollouts, so a rollout of many rows counts once. The paper and its script leave
    the deviation out.

    Args:
        final_rewards_G: reward of each rollout's last conversation, shape [G].
        rollout_N: which rollout a row belongs to, shape [N].

    Returns:
        Shape [N].
    """
    return _of_one_group(final_rewards_G, with_std)[rollout_N]


def mem_alpha_rewards(
    accuracy_G: Array,
    memory_tokens_G: Array,
    read_tokens_G: Array,
    rollout_N: Index,
    tool_success_N: Array,
    content_N: Array,
    compression_weight: float = 0.05,
    content_weight: float = 0.1,
) -> Array:
    """Mem-alpha's reward of one written chunk (Wang et al. 2025, arXiv:2509.25911): four terms, two of the rollout.

    ``accuracy + compression_weight * (1 - memory / read) + tool_success + content_weight * content``

    Args:
        accuracy_G: share of the questions answered from the final memory, shape [G].
        memory_tokens_G: length of the final memory, shape [G].
        read_tokens_G: length of all chunks, above 0, shape [G].
        rollout_N: which rollout a chunk belongs to, shape [N].
        tool_success_N: share of the chunk's calls that were carried out, shape [N].
        content_N: a judge's score of what the chunk wrote, shape [N].

    Returns:
        Shape [N].
    """
    of_rollout_G = accuracy_G + compression_weight * (1.0 - memory_tokens_G / read_tokens_G)
    return of_rollout_G[rollout_N] + tool_success_N + content_weight * content_N


def mem_alpha(rewards_N: Array) -> Array:
    """Mem-alpha's advantage, shape [N]: one GRPO group of all chunks of all rollouts of a task.

    A rollout of more chunks thus pulls the mean further; ``memagent`` is free of that.
    """
    return standardised(rewards_N, ["task"] * len(rewards_N))


class Strata(NamedTuple):
    """Advantages of two kinds of row, never compared with each other."""

    memory_G: Array
    """[G] for every row of that rollout that worked on memory."""
    answers_GM: Array
    """[G, M] for the row that answered that question; 0 where the question was not asked."""


def uma(scores_GM: Array, asked_GM: NDArray[np.bool_] | None = None, with_std: bool = True) -> Strata:
    """UMA's task-stratified GRPO (Zhang et al. 2026, arXiv:2602.18493): memory rows apart from answers.

    A rollout's memory is worth the mean score of the questions put to it, relative to the other rollouts' memories;
    an answer is judged against the other rollouts' answers to the same question. So neither an easy question nor a
    long rollout shifts the baseline of the other stratum.

    Args:
        scores_GM: score of each rollout's answer to each question, shape [G, M].
        asked_GM: where a question was asked at all; everywhere by default. A rollout that was asked nothing
            gets 0 and stands outside the memory stratum.
    """
    asked = np.ones_like(scores_GM, dtype=bool) if asked_GM is None else asked_GM
    counts_G = asked.sum(axis=1)
    memory_G, answers_GM = np.zeros(len(scores_GM)), np.zeros(scores_GM.shape)
    judged = counts_G > 0
    means_G = np.where(asked, scores_GM, 0.0).sum(axis=1) / np.maximum(counts_G, 1)
    memory_G[judged] = _of_one_group(means_G[judged], with_std)
    for m in range(scores_GM.shape[1]):
        there = asked[:, m]
        answers_GM[there, m] = _of_one_group(scores_GM[there, m], with_std)
    return Strata(memory_G, answers_GM)


def question_step(
    outcomes_G: Array,
    rollout_N: Index,
    state_rewards_N: Array,
    places_N: Sequence[Hashable],
    outcome_weight: float = 0.8,
    with_std: bool = False,
    lone_keeps_value: bool = False,
    eps: float = EPS,
) -> Array:
    """ReMemR1 (Shi et al. 2025, arXiv:2509.23040): outcome by question, state reward by (question, step); [N].

    ``outcome_weight * A_outcome + (1 - outcome_weight) * A_state``

    The published step is the number of the chunk being read, which the text drives and not the policy. That is what
    makes the group fair, and why ``places_N`` asks for the observation and not for a count of turns.

    Args:
        outcomes_G: reward of each rollout's answer, shape [G].
        rollout_N: which rollout a row belongs to, shape [N].
        state_rewards_N: reward of that row alone, shape [N].
        places_N: what was being read, a hashable value a row.
        outcome_weight: the paper's alpha, in [0, 1].
        lone_keeps_value: as in ``group_advantages.relative``; the published code has it on.

    Raises:
        ValueError: ``outcome_weight`` lies outside [0, 1], or rows differ in number.
    """
    if not 0 <= outcome_weight <= 1:
        raise ValueError(f"expected an outcome weight in [0, 1], got {outcome_weight}")
    outcome_N = _of_one_group(outcomes_G, with_std, lone_keeps_value, eps)[rollout_N]
    state_N = relative(state_rewards_N, places_N, with_std, eps, lone_keeps_value)
    return outcome_weight * outcome_N + (1.0 - outcome_weight) * state_N


def _of_one_group(values_G: Array, with_std: bool, lone_keeps_value: bool = False, eps: float = EPS) -> Array:
    return relative(values_G, ["task"] * len(values_G), with_std, eps, lone_keeps_value)
