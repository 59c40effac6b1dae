"""GiGPO: the episode's return within its group, plus the return-to-go among equal states (arXiv:2505.10978)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from memrl.advantages.answers import passive
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import Row, episode_of, rows, split, totals
from memrl.algos.state_groups import state_groups
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import Episode


@dataclass(frozen=True, slots=True, kw_only=True)
class GigpoOptions:
    """Of the estimators "gigpo_state" and "gigpo_memory"."""

    step_weight: float = 1.0
    """Omega: weight of the comparison within a state."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", step_weight="[0, inf)")


@serves()
def gigpo_state(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Equal states are equal observations, whatever the memory holds: the published anchor state.

    In a passive source an observation is known by its id, anywhere else by what it shows and to whom: a place that is
    come back to is one state, as published.
    An episode counts once at an observation, however many ops it took there: their number is the policy's choice.
    """
    return _gigpo(episodes, scene, lambda row: (), once_a_step=True)


@serves()
def gigpo_memory(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Equal states are equal observations met with an equal memory, by the same kind of decision.

    Siblings whose memories have parted are no longer compared there (Memory-R2, arXiv:2605.21768, makes the point).
    """
    return _gigpo(episodes, scene, _with_memory, once_a_step=False)


def _with_memory(row: Row) -> Hashable:
    # A retrieval and the answer after it meet the same memory and do not choose among the same things.
    return row.decision.memory_hash, row.decision.actor


def _gigpo(
    episodes: Sequence[Episode], scene: Scene, more: Callable[[Row], Hashable], once_a_step: bool
) -> list[Advantages]:
    """``more``: what a state is beside the observation."""
    shown_by_id = passive(scene)
    table = rows(episodes, scene.config.discount)
    places = [(row.episode, row.observation.id) if once_a_step else n for n, row in enumerate(table)]
    first_at = {place: n for n, place in reversed(list(enumerate(places)))}
    judged = sorted(first_at.values())
    of_judged = state_groups(
        totals(episodes),
        episode_of([table[n] for n in judged]),
        np.array([table[n].to_go for n in judged], dtype=np.float64),
        [(_shown(table[n], shown_by_id), more(table[n])) for n in judged],
        scene.options.step_weight,
    )
    value_at = dict(zip(judged, of_judged, strict=True))
    values_N = np.array([value_at[first_at[place]] for place in places], dtype=np.float64)
    return split(values_N, table, len(episodes))


def _shown(row: Row, by_id: bool) -> Hashable:
    return row.observation.id if by_id else (row.observation.content, row.observation.to)


register("estimator", "gigpo_state", gigpo_state, GigpoOptions)
register("estimator", "gigpo_memory", gigpo_memory, GigpoOptions)
