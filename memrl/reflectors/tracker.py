"""Reads failed episodes and proposes edits, with no language model: the exact end of what feedback can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from memrl.contracts.contexts import ReflectorContext
from memrl.contracts.learning import Lesson, Place
from memrl.contracts.protocols import Agent
from memrl.contracts.registry import register
from memrl.contracts.types import End, Episode, Group, OfferSet
from memrl.reflectors.edits import Edit, Worthless, edits_for
from memrl.reflectors.evidence import Evidence, Feedback, ReflectorOptions

Describe = Callable[[OfferSet, int], str]
"""An offer as the rule that it is an example of, in words."""


class Tracker:
    """Proposes up to ``edits`` edits an episode.

    Args:
        feedback: what it may know of a failure; see ``evidence``.
        describe: how it words a rule.
        worthless: what it would rather see replaced, of entries that nobody asks for again.
    """

    def __init__(self, feedback: Feedback, describe: Describe, worthless: Worthless, edits: int) -> None:
        self._feedback: Feedback = feedback
        self._describe, self._worthless, self._edits = describe, worthless, edits

    def reflect(self, groups: Sequence[Group], agent: Agent) -> list[Lesson]:
        """Lessons on every episode of these groups; ``gain`` is what one repaired question would bring."""
        return [lesson for told in episodes_of(groups) for lesson in self._study(*told, agent)]

    def _study(self, group: int, index: int, episode: Episode, agent: Agent) -> Iterator[Lesson]:
        evidence = Evidence(episode, agent.task_source, self._feedback)
        for edit in edits_for(evidence, self._edits, self._worthless):
            rule = self._describe(edit.decision.offers, edit.better)
            yield lesson_of(edit, episode, Place(group, index, edit.step, edit.place), rule)


def episodes_of(groups: Sequence[Group]) -> Iterator[tuple[int, int, Episode]]:
    """Those that can be compared, in order: index of the group, index into its episodes, and the episode."""
    return (
        (g, e, episode)
        for g, group in enumerate(groups)
        for e, episode in enumerate(group.episodes)
        if episode.end is not End.ENV_ERROR
    )


def lesson_of(edit: Edit, episode: Episode, at: Place, rule: str) -> Lesson:
    """An edit as a lesson that nobody has proven yet."""
    hoped = 1.0 / max(1, len(episode.verdicts))
    return Lesson(task=episode.task, at=at, decision=edit.decision, better=edit.better, rule=rule, gain=hoped)


def _make(context: ReflectorContext, options: ReflectorOptions) -> Tracker:
    return Tracker(options.feedback, context.describe, context.worthless, options.edits)


register("reflector", "tracker", _make, ReflectorOptions)
