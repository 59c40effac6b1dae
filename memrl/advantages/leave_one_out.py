"""Leave one decision out: what the recorded episode earned minus what it earns when replayed with it taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gains import GainOptions, Gains, from_gains, ops
from memrl.algos.attribution import discounted_from
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import Episode
from memrl.rollouts.replay import Change, replay


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(GainOptions):
    """Of an estimator that takes decisions back and replays."""

    reach: int = 0
    """Steps after a decision in which its absence is looked for; 0 for all. See ``rollouts.replay.replay``."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", reach="[0, inf)", sibling_baseline="[0, 1]")


@serves(acting=False, baseline="keep", because="it replays recorded actions")
def leave_one_out(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Credit flows along provenance: to the write, to the link that made a path, to the op that retrieved it.

    The policy is asked only where its view changes, all questions of all siblings in one batch. A replay that an
    environment leads elsewhere gives its op a gain of 0. A decision in tokens is taken back as a whole.
    """
    return from_gains(episodes, replayed_gains(episodes, scene), scene)


def replayed_gains(episodes: Sequence[Episode], scene: Scene) -> Gains:
    """Return-to-go with an op minus without it, everything after it as recorded."""
    taken = [at for at, _ in ops(episodes)]
    replays = replay(episodes, [Change(at.sibling, at.site) for at in taken], scene.agent, scene.options.reach)
    return {
        at: discounted_from(one.reference - one.rewards, at.site.step, scene.config.discount)
        for at, one in zip(taken, replays.each, strict=True)
        if one.rewards is not None
    }


register("estimator", "leave_one_out", leave_one_out, ReplayOptions)
