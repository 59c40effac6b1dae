"""One baseline a role, so that a proposer is not judged by how well the solver happens to do."""

from __future__ import annotations

from collections.abc import Sequence

DECAY = 0.95
"""SPIRAL's alpha (arXiv:2506.24119)."""


def role_advantages(
    rewards: Sequence[float], baseline: float | None, decay: float = DECAY
) -> tuple[list[float], float | None]:
    """Advantages ``r - b`` under the baseline as it stood before these rewards, and the baseline after them.

    Role-conditioned advantage estimation of SPIRAL (arXiv:2506.24119): ``b <- decay b + (1 - decay) r``, once a
    reward, in order. The old value is taken off all of them, so that no reward judges itself. A baseline of None has
    seen nothing: the mean of these rewards stands in for it.

    Example: rewards (1, 0) under a baseline of 0.5 give advantages (0.5, -0.5) and the baseline 0.49875.
    """
    if not rewards:
        return [], baseline
    before = sum(rewards) / len(rewards) if baseline is None else baseline
    after = before
    for reward in rewards:
        after = decay * after + (1.0 - decay) * reward
    return [reward - before for reward in rewards], after
