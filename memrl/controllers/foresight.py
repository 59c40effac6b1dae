"""Keeps what the walkthrough of a task speaks of: a memory that knows what will be done, for demonstrations, and as a
row that shows what a policy does with such a memory. It looks at the future; nothing learned may.

A word of the walkthrough is worth one over the number of its texts that have it, so that "carrot" tells more than
"with". An entry is worth its words' sum for each of its tokens. Where there is no room the entry of least worth goes,
the oldest of several, unless what was seen now is worth less.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from memory_stores.types import Entry
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Task
from memrl.controllers.rules import KEEP, Menu, Rule, remember

TASKS_KEPT = 512
NO_LIMIT = 10**9


class Foresight(Rule):
    """See the module.

    Args:
        walkthrough: task -> what to say at each step that wants an action. A pure function; that of the last
            ``TASKS_KEPT`` tasks is remembered.
    """

    def __init__(self, walkthrough: Callable[[Task], Sequence[str]]) -> None:
        self._weights = lru_cache(maxsize=TASKS_KEPT)(lambda task: word_weights(walkthrough(task)))

    def take_in(self, request: ControllerRequest, menu: Menu) -> int:
        weights, store = self._weights(request.task), request.memory.token

        def worth(text: str, tokens: int) -> float:
            return sum(weights.get(word, 0.0) for word in words(text)) / max(1, tokens)

        def going(request: ControllerRequest, entries: Sequence[Entry]) -> Sequence[Entry]:
            return sorted(entries, key=lambda entry: worth(entry.text, entry.tokens))

        if store is not None and menu.write is None and len(store):
            text, least = request.observation.text, going(request, store.entries())[0]
            if worth(text, store.cost(text)) < worth(least.text, least.tokens):
                return KEEP
        return remember(request, menu, going, forgets=NO_LIMIT)


def word_weights(texts: Sequence[str]) -> Mapping[str, float]:
    """Word -> one over the number of texts that have it."""
    return {word: 1 / count for word, count in Counter(word for text in texts for word in words(text)).items()}


def words(text: str) -> set[str]:
    """Lower-case words and numbers."""
    return set(re.findall(r"[^\W_]+", text.lower()))


def _make(context: ControllerContext) -> Foresight:
    if context.demonstrates is None:
        way_out = "it knows what will be done, and this environment has no walkthrough of its tasks (Demonstrates)"
        raise ConfigError("controller.name", "foresight", way_out)
    return Foresight(context.demonstrates.walkthrough)


register("controller", "foresight", _make)
