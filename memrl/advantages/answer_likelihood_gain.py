"""Answer-likelihood gain: log p(right answer | view) minus the same with one op undone in that view.

A dense signal that needs no right answer to have been given, and one short reading per line in view.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

from memory_stores.types import Forget, Overwrite, Relink, Retrieve, Unlink
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.gains import GainOptions, OpAt, from_gains, ops
from memrl.advantages.scores import Scores, scores_of
from memrl.contracts.capabilities import asked_again
from memrl.contracts.protocols import SampleRequest, TaskSource
from memrl.contracts.registry import register
from memrl.contracts.types import Episode, Step, ViewLine
from memrl.rollouts.replay import Site, View, tape, view_content


class Undone(NamedTuple):
    """One view of one question as it would be without one op."""

    at: OpAt
    step: int
    view: View


@serves(
    acting=False,
    written=False,
    baseline="keep",
    because="it undoes one op of the controller's in a view and asks how likely the recorded question's answer then is",
)
def answer_likelihood_gain(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """An op gains, at every later question, what its lines in view are worth beside the one it had replaced.

    Undoing a write takes its line out of view; an overwrite, besides, puts the old line back; a forgotten line comes
    back where the view has room; undoing a retrieval takes out what was retrieved. All views that any sibling asks
    about are scored in one batch, equal ones once.

    Raises:
        ConfigError: the policy cannot say how likely an answer is.
    """
    policy = scores_of(scene)
    undone = [one for g, episode in enumerate(episodes) for one in _ablations(g, episode, scene)]
    views = _Views(scene.agent.task_source)
    for one in undone:
        episode = episodes[one.at.sibling]
        views.add(episode, one.step, episode.steps[one.step].view)
        views.add(episode, one.step, one.view)
    views.score(policy)
    gains: dict[OpAt, float] = defaultdict(float)
    for one in undone:
        step = episodes[one.at.sibling].steps[one.step]
        gain = views.logprob(step, step.view) - views.logprob(step, one.view)
        gains[one.at] += gain * scene.config.discount ** (one.step - one.at.site.step)
    return from_gains(episodes, gains, scene)


class _Views:
    """Views of questions, each scored once for the right answer."""

    def __init__(self, source: TaskSource) -> None:
        self._source = source
        self._requests: dict[Hashable, tuple[SampleRequest, str]] = {}
        self._logprobs: dict[Hashable, float] = {}

    def add(self, episode: Episode, t: int, view: View) -> None:
        step = episode.steps[t]
        key = (step.observation.id, view_content(view))
        if key not in self._requests and step.verdict is not None:
            request = asked_again(self._source, episode.task, step.observation, view)
            self._requests[key] = (request, step.verdict.expected)

    def score(self, policy: Scores) -> None:
        if self._requests:
            requests, answers = zip(*self._requests.values(), strict=True)
            self._logprobs = dict(zip(self._requests, policy.answer_logprobs(requests, answers), strict=True))

    def logprob(self, step: Step, view: View) -> float:
        return self._logprobs[step.observation.id, view_content(view)]


def _ablations(sibling: int, episode: Episode, scene: Scene) -> Iterator[Undone]:
    """Every (op, later question) whose view the op shaped."""
    lost = _lost(episode, scene)
    made_by = {id: at.site for at, decision in ops([episode]) for id in decision.created}
    for t, step in enumerate(episode.steps):
        if step.verdict is None:
            continue
        for line in step.view:
            if line.entry_id in made_by:
                site = made_by[line.entry_id]
                yield Undone(OpAt(sibling, site), t, _swapped(step.view, line, lost.get(site)))
        for site, line in lost.items():
            if site.step < t and _could_come_back(line, site, t, episode, scene):
                yield Undone(OpAt(sibling, site), t, (line, *step.view))
        for place, decision in enumerate(step.decisions):
            bare = tuple(line for line in step.view if line.store == "token")
            if isinstance(decision.action, Retrieve) and bare != step.view:
                yield Undone(OpAt(sibling, Site(t, place)), t, bare)


def _lost(episode: Episode, scene: Scene) -> dict[Site, ViewLine]:
    """What each op threw away."""
    states = tape(episode, scene.agent)
    lost: dict[Site, ViewLine] = {}
    for at, decision in ops([episode]):
        op = decision.action
        if isinstance(op, Overwrite | Forget | Relink | Unlink) and not decision.refused:
            entry = states[at.site].get(op.id)
            if entry is not None:
                store = states[at.site].store_of(entry.id)
                lost[at.site] = ViewLine(entry.text, entry.id, store, entry.stamp.observation_id)
    return lost


def _could_come_back(line: ViewLine, site: Site, t: int, episode: Episode, scene: Scene) -> bool:
    """A forgotten line, while nothing took the room that it left; what replaced another line is undone in its place."""
    step, count = episode.steps[t], scene.agent.count_tokens
    if not isinstance(episode.steps[site.step].decisions[site.place].action, Forget | Unlink):
        return False
    return sum(count(shown.text) for shown in step.view) + count(line.text) <= scene.agent.read_budget


def _swapped(view: View, line: ViewLine, old: ViewLine | None) -> View:
    """The view without a line, with what that line had replaced in its place."""
    at = view.index(line)
    return (*view[:at], *([old] if old else []), *view[at + 1 :])


register("estimator", "answer_likelihood_gain", answer_likelihood_gain, GainOptions)
