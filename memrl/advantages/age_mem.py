"""AgeMem: step-wise GRPO, the end's advantage on every step, of a return with memory terms (arXiv:2601.01885)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memory_stores.types import Forget, Overwrite, Relink, Unlink
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import stamp
from memrl.algos.group_advantages import standardised
from memrl.contracts.registry import register
from memrl.contracts.types import End, Episode

MAINTAINS = (Overwrite, Forget, Relink, Unlink)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeMemOptions:
    """Of the estimator "age_mem"; the published weights are 1."""

    task_weight: float = 1.0
    context_weight: float = 1.0
    memory_weight: float = 1.0
    penalty: float = 1.0
    """What an episode that a limit cut off loses."""


@serves()
def age_mem(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """``w_task task + w_context context + w_memory memory - penalty`` of the whole episode, standardised among siblings
    and stamped on all decisions, those of early stages too.

    task      how far the episode succeeded; where nothing says so, its return
    context   mean of: read budget that views left free; share of the questions whose answer stood in view
    memory    mean of: share of the written entries that stood in view where an answer was right; whether anything held
              was put right (1 or 0)

    In the paper a judge model scores task, stored entries and retrieved ones; here they are computed, and what only a
    judge could say (whether retrieved texts fit the query) is left out.
    """
    options = scene.options
    returns = [
        options.task_weight * _task(episode)
        + options.context_weight * _context(episode, scene)
        + options.memory_weight * _memory(episode)
        - options.penalty * (episode.end in (End.STEP_LIMIT, End.TOKEN_LIMIT))
        for episode in episodes
    ]
    return stamp(standardised(np.array(returns, dtype=np.float64), ["task"] * len(returns)), episodes)


def _task(episode: Episode) -> float:
    return episode.success if episode.is_judged else float(sum(step.reward for step in episode.steps))


def _context(episode: Episode, scene: Scene) -> float:
    agent = scene.agent
    acted = [step for step in episode.steps if step.observation.wants_action]
    used = [sum(agent.count_tokens(line.text) for line in step.view) / max(agent.read_budget, 1) for step in acted]
    parts = [1.0 - float(np.mean(used))] if used else []
    judged = [step for step in acted if step.verdict is not None]
    if judged:
        shown = [any(s.verdict.expected in line.text for line in s.view) for s in judged if s.verdict is not None]
        parts.append(float(np.mean(shown)))
    return float(np.mean(parts)) if parts else 0.0


def _memory(episode: Episode) -> float:
    written = {id for decision in episode.decisions for id in decision.created}
    right = [step for step in episode.steps if step.verdict is not None and step.verdict.score > 0]
    used = {line.entry_id for step in right for line in step.view} & written
    kept = any(isinstance(op, MAINTAINS) for decision in episode.decisions for op in decision.carried_out)
    return 0.5 * (len(used) / len(written) if written else 0.0) + 0.5 * kept


register("estimator", "age_mem", age_mem, AgeMemOptions)
