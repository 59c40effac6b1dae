"""The bandit on raw ``p (1 - p)``: what a curriculum does that knows no bounds."""

from __future__ import annotations

from memrl.contracts.contexts import CellDraws, CurriculumContext
from memrl.contracts.registry import register
from memrl.curricula.bandit import Bandit, BanditOptions


class RawVariance(Bandit):
    """Softmax over each cell's ``p (1 - p)``, neither unbiased nor normalised: coin flips are its favourites."""

    def __init__(self, draws: CellDraws, options: BanditOptions) -> None:
        super().__init__(draws, options, score=raw_variance, untried=0.25)


def raw_variance(successes: float, tries: float) -> float:
    """``p (1 - p)``, in [0, 0.25]."""
    p = successes / tries
    return p * (1.0 - p)


def _make(context: CurriculumContext, options: BanditOptions) -> RawVariance:
    return RawVariance(context.draws, options)


register("curriculum", "raw_variance", _make, BanditOptions)
