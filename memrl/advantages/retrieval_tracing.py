"""Retrieval tracing (Fine-Mem, arXiv:2601.08435): a right answer's reward goes to the ops behind the lines it used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from memory_stores.types import Retrieve
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gains import GainOptions, OpAt, from_gains, ops
from memrl.algos.attribution import evidence_shares
from memrl.contracts.registry import register
from memrl.contracts.types import Decision, Episode, Step
from memrl.rollouts.replay import Site


@serves(acting=False, baseline="keep", because="it takes a reward for what the lines in view at its step won")
def retrieval_tracing(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Asks nobody. It sees what was there and won, not what was thrown away and missed, nor what Keep would have won.

    Fine-Mem adds a part of the episode's return to every op; here that is left to ``broadcast``.
    """
    gains: dict[OpAt, float] = defaultdict(float)
    for g, episode in enumerate(episodes):
        made_by = {id: at.site for at, decision in ops([episode]) for id in decision.created}
        for t, step in enumerate(episode.steps):
            for site, share in _shares(step, t, made_by).items():
                gains[OpAt(g, site)] += step.reward * share * scene.config.discount ** (t - site.step)
    return from_gains(episodes, gains, scene)


def _shares(step: Step, t: int, made_by: Mapping[str, Site]) -> dict[Site, float]:
    """Op -> its share of this step's reward. Who wrote and who fetched a line share what it won."""
    if step.verdict is None or step.reward <= 0:
        return {}
    fetched = next((Site(t, p) for p, d in enumerate(step.decisions) if _retrieves(d)), None)
    target = f"{step.observation.text} {step.verdict.expected}"
    shares: dict[Site, float] = defaultdict(float)
    for line, share in zip(step.view, evidence_shares([line.text for line in step.view], target), strict=True):
        owners = (made_by.get(line.entry_id), fetched if line.store != "token" else None)
        named = [owner for owner in owners if owner is not None]
        for owner in named:
            shares[owner] += float(share) / len(named)
    return shares


def _retrieves(decision: Decision) -> bool:
    return any(isinstance(op, Retrieve) for op in decision.ops)


register("estimator", "retrieval_tracing", retrieval_tracing, GainOptions)
