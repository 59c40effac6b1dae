"""The bandit on raw ``p (1 - p)``: what a curriculum does that knows no bounds."""

from __future__ import annotations

from memrl.contracts.config import CurriculumConfig
from memrl.curricula._draws import Draws
from memrl.curricula.bandit import Bandit


class RawVariance(Bandit):
    """Softmax over each cell's ``p (1 - p)``, neither unbiased nor normalised: coin flips are its favourites."""

    def __init__(self, draws: Draws, config: CurriculumConfig) -> None:
        super().__init__(draws, config, score=raw_variance, untried=0.25)


def raw_variance(successes: float, tries: float) -> float:
    """``p (1 - p)``, in [0, 0.25]."""
    p = successes / tries
    return p * (1.0 - p)
