"""The bandit on the proposer reward of Absolute Zero."""

from __future__ import annotations

from memrl.contracts.contexts import CellDraws, CurriculumContext
from memrl.contracts.registry import register
from memrl.curricula.bandit import Bandit, BanditOptions


class AbsoluteZero(Bandit):
    """Softmax over each cell's Absolute Zero reward (arXiv:2505.03335, equation 4), as the paper has it.

    The released code differs: it pays -0.5 where the paper pays 0.
    """

    def __init__(self, draws: CellDraws, options: BanditOptions) -> None:
        super().__init__(draws, options, score=azr_reward, untried=1.0)


def azr_reward(successes: float, tries: float) -> float:
    """``1 - p``, but 0 where p is 0 or 1."""
    p = successes / tries
    return 1.0 - p if 0.0 < p < 1.0 else 0.0


def _make(context: CurriculumContext, options: BanditOptions) -> AbsoluteZero:
    return AbsoluteZero(context.draws, options)


register("curriculum", "azr", _make, BanditOptions)
