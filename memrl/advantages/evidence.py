"""What the estimators ``reading`` and ``retention`` have in common: what evidence is worth, and who is compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence

from memory_stores.types import Retrieve
from memrl.advantages.contract import Advantages
from memrl.contracts.types import Decision, OpDecision

Earned = Mapping[Hashable, tuple[int, float]]
"""Place that siblings share -> a decision's place in its episode, and what it earned."""


def potential(missing: int, size: int, share: float) -> float:
    """phi of a view or a memory that lacks ``missing`` of ``size`` observations: ``share`` of what is there, and the
    rest where nothing is missing."""
    return share * max(0.0, 1 - missing / size) + (1 - share) * (missing == 0)


def chose_among_readings(decision: Decision) -> bool:
    """Whether an offer was taken where something could be read: a reading, or to stop."""
    return isinstance(decision, OpDecision) and isinstance(decision.offers.op(len(decision.offers) - 1), Retrieve)


def less_siblings(earned: Sequence[Earned], advantages: Sequence[Advantages]) -> None:
    """Write into the advantages what each decision earned less the mean of the others at its place (RLOO); 0 alone."""
    total: dict[Hashable, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for own in earned:
        for place, (_, value) in own.items():
            total[place][0] += value
            total[place][1] += 1
    for own, out in zip(earned, advantages, strict=True):
        for place, (at, value) in own.items():
            sum_, count = total[place]
            out[at] = value - (sum_ - value) / (count - 1) if count > 1 else 0.0
