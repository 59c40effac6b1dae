"""Judges a command such as "take the lantern from the attic to the garden" against the one that is right.

Wording is free, names are not: a command is read for every name of the world that stands in it, in either split, so
that nobody is paid for a list of guesses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from memrl.contracts.types import Action, Choose, Say, ToolCall, as_text
from memrl.envs.memworld.events import UNKNOWN
from memrl.envs.memworld.names import NAMES

_THINGS = frozenset(name for names in NAMES.values() for name in names.objects + names.aliases)
_PLACES = frozenset(name for names in NAMES.values() for name in names.places)
_PEOPLE = frozenset(name.lower() for names in NAMES.values() for name in names.people)
_ARTICLES = frozenset(("the", "a", "an"))
_FROM = frozenset(("from", "source", "start", "origin"))
_TO = frozenset(("to", "into", "target", "destination", "goal"))
_UNDOES = frozenset(
    ("not", "no", "never", "dont", "cannot", "cant", "wont", "or", "either", "unless", "instead", "nothing", UNKNOWN)
)
"""Words that take a command back or leave it open."""
_IDLE = frozenset((UNKNOWN, "nothing", "do nothing"))


def is_done(action: Action | None, expected: str, first_name: Mapping[str, str]) -> bool:
    """Whether an action is the command ``expected``, or leaves all as it is where "unknown" is expected.

    Right is a text or a tool call whose first line names the thing and no other, the place where it is and the one
    where it goes and no other, and nobody. A place after "from" or "to" is taken at its word; others count in order.

    Args:
        expected: "take THING from PLACE to PLACE", or "unknown".
        first_name: second name of a thing -> its first name.
    """
    if not isinstance(action, Say | Choose | ToolCall):
        return False
    line = as_text(action).strip().partition("\n")[0].lower()
    words = [word for word in re.findall("[a-z]+", re.sub("['’]", "", line)) if word not in _ARTICLES]
    if expected == UNKNOWN:
        return " ".join(words) in _IDLE
    _, thing, _, start, _, end = expected.split()
    if _UNDOES.intersection(words) or _PEOPLE.intersection(words):
        return False
    things = {first_name.get(word, word) for word in words if word in _THINGS}
    return things == {thing} and _route(words) == (start, end)


def _route(words: list[str]) -> tuple[str, str] | None:
    """From where to where the words go; None if they name fewer places than two, or more."""
    route: dict[str, str] = {}
    for before, word in zip(["", *words], words, strict=False):
        if word not in _PLACES:
            continue
        marked = "from" if before in _FROM else "to" if before in _TO else ""
        role = marked or ("from" if "from" not in route else "to")
        if route.setdefault(role, word) != word:
            return None
    return (route["from"], route["to"]) if len(route) == 2 else None
