"""Fresh futures: same-state re-rollout at the price of the questions whose view depends on the op.

    state ─┬─ op ──> K futures, controller alone ──> views ─┐
           └─ Keep ─> the same luck ──────────────> views ─┴─> where a pair differs: ask once, judge, subtract

An environment that does not react to answers lets the controller play a future to its end before any question is
read. Both futures of a pair draw the same random numbers and stop where they have become the same; equal views cancel
unread. What
remains of all ops of all siblings, equal questions once, goes to the policy in one batch. It is an estimate of the
same number as ``same_state``, with the luck of the answers taken out (the likeliest answer stands for the sampled).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gains import Gains, OpAt, from_gains, ops
from memrl.advantages.same_state import CONCURRENCY, KEEP, RolloutOptions, seeds, taken_index
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Episode, Observation, Say, Step, TokenDecision
from memrl.rollouts.continuation import continue_twins
from memrl.rollouts.replay import Judge, Questions, View, tape, view_content
from memrl.rollouts.scheduler import play_all


@serves(acting=False, baseline="keep", because="it plays the controller alone and reads recorded questions")
def fresh_futures(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """Mean over ``rollouts`` pairs of futures of what the op earns beyond Keep."""
    return from_gains(episodes, imagined_gains(episodes, scene), scene)


class Difference(NamedTuple):
    """A question that sees one thing after the op and another after Keep."""

    at: OpAt
    step: int
    observation: Observation
    with_op: View
    without: View


def imagined_gains(episodes: Sequence[Episode], scene: Scene) -> Gains:
    """What each op that was not Keep earns beyond Keep."""
    found = _differences(episodes, scene)
    questions = Questions(scene.agent)
    for one in found:
        for view in (one.with_op, one.without):
            questions.add(episodes[one.at.sibling], one.observation, view, "")
    questions.ask()
    judge = Judge(episodes, scene.agent)
    for one in found:
        for view in (one.with_op, one.without):
            judge.add(one.at.sibling, {one.step: questions.answer(one.observation, view)})
    gains: dict[OpAt, float] = defaultdict(float)
    for one in found:
        won, other = (
            judge.rewards(one.at.sibling, {one.step: questions.answer(one.observation, view)})
            for view in (one.with_op, one.without)
        )
        if won is not None and other is not None:
            weight = scene.config.discount ** (one.step - one.at.site.step) / scene.options.rollouts
            gains[one.at] += weight * float(won[one.step] - other[one.step])
    return gains


def _differences(episodes: Sequence[Episode], scene: Scene) -> list[Difference]:
    agent, rollouts = replace(scene.agent, policy=Mute()), scene.options.rollouts
    taken = list(ops(episodes))
    tapes = {g: tape(episodes[g], agent) for g in sorted({at.sibling for at, _ in taken})}
    twins: Any = (  # each returns two futures where play_all expects an episode; it passes on whatever comes
        continue_twins(agent, episodes[at.sibling], at.site, (taken_index(decision), KEEP), tapes[at.sibling], seed)
        for at, decision in taken
        for seed in seeds(episodes[at.sibling], at, rollouts)
    )
    played: list[Any] = play_all(twins, agent, CONCURRENCY)
    return [
        difference
        for i, pair in enumerate(played)
        for difference in _differ(taken[i // rollouts][0], episodes[taken[i // rollouts][0].sibling], *pair)
    ]


def _differ(at: OpAt, recorded: Episode, with_op: Sequence[Step], without: Sequence[Step]) -> list[Difference]:
    """Only questions that were recorded, too, count: there the environment can be asked to judge."""
    ahead = zip(recorded.steps[at.site.step :], with_op, without, strict=False)
    return [
        Difference(at, t, here.observation, one.view, other.view)
        for t, (here, one, other) in enumerate(ahead, start=at.site.step)
        if here.observation.id == one.observation.id == other.observation.id
        and view_content(one.view) != view_content(other.view)
    ]


class Mute:
    """Sits in the policy's context while the controller plays alone: says nothing, reads nothing."""

    version = 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [
            TokenDecision(
                actor=r.actor, action=Say(""), memory_hash=r.memory_hash, prompt_ids=(), action_ids=(), logprobs=()
            )
            for r in requests
        ]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


register("estimator", "fresh_futures", fresh_futures, RolloutOptions)
