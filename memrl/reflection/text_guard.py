"""What a reflection may say: nothing that gives an answer away, nothing first seen later, no word to a judge.

A rule is made of a small vocabulary about memory and of words that the agent had seen by then. Scores come from exact
trackers, so words to a judge earn nothing in any case; they are kept out of views all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from memrl.contracts.types import Episode

MOST_CHARACTERS = 240
_TO_JUDGES = (
    "answer answers assistant award correct disregard evaluator full grade grader ignore instruction instructions "
    "judge judges marks mark override points prompt reward score scores system verdict"
)
TO_JUDGES = frozenset(_TO_JUDGES.split())
"""Words that no rule about memory needs."""
_ABOUT_MEMORY = (
    "a about an and as asked back before by came date doubtful does down edge else entries entry fact facts first for "
    "forget from goes has held higher if in into is it its keep last leave line lines link long memory more most must "
    "new newer newest not nothing of old older oldest on only or out over place put read relates relink room same "
    "says something source speak speaks speaking states still take takes than that the them then there they thing "
    "things this to trust unlink until up view was what when where which with without write bring text counts "
    "overwrite space"
)
ABOUT_MEMORY = frozenset(_ABOUT_MEMORY.split())
"""Words that a rule may use whatever a task is about."""
_LEGAL = re.compile(r"[A-Za-z0-9 ,.;:'()\-]+")


def refused(text: str, episode: Episode, step: int) -> str | None:
    """Why a reflection on this episode may not be told, or None.

    Args:
        step: index of the step that it is about.
    """
    if not text.strip():
        return "it says nothing"
    if len(text) > MOST_CHARACTERS or not _LEGAL.fullmatch(text):
        return f"it is longer than {MOST_CHARACTERS} characters or holds signs that no sentence needs"
    words = set(_words(text))
    if words & TO_JUDGES:
        return f"it speaks to a judge: {min(words & TO_JUDGES)!r}"
    for verdict in episode.verdicts:
        if _stands_in(verdict.expected, text):
            return "it holds an answer"
    later = words - ABOUT_MEMORY - _seen(episode, 0, step + 1)
    if leaked := later & _seen(episode, step + 1, len(episode.steps)):
        return f"it holds what was first seen later: {min(leaked)!r}"
    return None


def _stands_in(answer: str, text: str) -> bool:
    """As whole words, articles and signs aside."""
    bare = [word for word in _words(answer) if word not in ("the", "a", "an")]
    return bool(bare) and f" {' '.join(bare)} " in f" {' '.join(_words(text))} "


def _seen(episode: Episode, start: int, end: int) -> set[str]:
    return {word for step in episode.steps[start:end] for word in _words(step.observation.text)}


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def known_words(texts: Iterable[str]) -> set[str]:
    """Words of rule texts that are no part of ``ABOUT_MEMORY``: none, for texts that this library words."""
    return {word for text in texts for word in _words(text)} - ABOUT_MEMORY
