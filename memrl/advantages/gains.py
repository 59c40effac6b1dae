"""From gains of ops to advantages of decisions: what the attributing estimators have in common.

A gain says what a controller's decision earned beyond ``Keep`` in its place: an op, or all the ops of one decision in
tokens. Policies get what ``return_to_go`` gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from memory_stores.types import Keep
from memrl.advantages.clock import align
from memrl.advantages.contract import Advantages, Scene
from memrl.advantages.return_to_go import return_to_go
from memrl.algos.attribution import minus_siblings
from memrl.contracts.checks import check
from memrl.contracts.types import ARCHIVIST, Decision, Episode, OpDecision, is_policy
from memrl.rollouts.replay import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class GainOptions:
    """Of an estimator that knows what ops gain over Keep."""

    sibling_baseline: float = 0.0
    """Share of the siblings' mean gain taken off an op's gain over Keep. 0 ranks ops best (benchmarks/credit_truth.py);
    above 0, Keep is blamed where others gained by an op."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", sibling_baseline="[0, 1]")


class OpAt(NamedTuple):
    """One decision of one sibling's controller."""

    sibling: int
    site: Site


Gains = Mapping[OpAt, float]
"""What ops earned beyond Keep; an op that is not there gained 0."""


def ops(episodes: Sequence[Episode], kept: bool = False) -> Iterator[tuple[OpAt, Decision]]:
    """Every controller's decision in the order it was taken, sibling by sibling; what chose Keep only if ``kept``."""
    for g, episode in enumerate(episodes):
        for t, step in enumerate(episode.steps):
            for place, decision in enumerate(step.decisions):
                of_controller = not is_policy(decision.actor) and decision.actor != ARCHIVIST
                if of_controller and (kept or not keeps(decision)):
                    yield OpAt(g, Site(t, place)), decision


def keeps(decision: Decision) -> bool:
    """Whether a controller's decision leaves memory as it is, and view too."""
    ops = (decision.action,) if isinstance(decision, OpDecision) else decision.ops
    return all(isinstance(op, Keep) for op in ops)


def from_gains(episodes: Sequence[Episode], gains: Gains, scene: Scene) -> list[Advantages]:
    """An op's gain over Keep, less ``sibling_baseline`` times the mean gain of the other siblings' ops there."""
    clock = align(episodes)
    places = [at for at, _ in ops(episodes, kept=True)]
    columns = [clock.column_of[episodes[at.sibling].steps[at.site.step].observation.id] for at in places]
    judged = minus_siblings(
        np.array([gains.get(at, 0.0) for at in places], dtype=np.float64),
        np.array([at.sibling for at in places], dtype=np.int64),
        np.array(columns, dtype=np.int64),
        scene.options.sibling_baseline,
    )
    return with_ops(episodes, dict(zip(places, judged.tolist(), strict=True)), return_to_go(episodes, scene))


def with_ops(episodes: Sequence[Episode], op_advantages: Gains, others: Sequence[Advantages]) -> list[Advantages]:
    """Advantages of all decisions: of controllers as given, 0 where nothing is, and of policies as in ``others``."""
    found = [np.array(one, dtype=np.float64) for one in others]
    for g, episode in enumerate(episodes):
        sites = [Site(t, p) for t, step in enumerate(episode.steps) for p in range(len(step.decisions))]
        for d, (site, decision) in enumerate(zip(sites, episode.decisions, strict=True)):
            if not is_policy(decision.actor):
                found[g][d] = op_advantages.get(OpAt(g, site), 0.0)
    return found
