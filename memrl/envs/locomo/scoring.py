"""How LoCoMo scores an answer: token F1 over stems, with its own twist for three of the five categories."""

from __future__ import annotations

import re
from collections import Counter
from string import punctuation

from memrl.envs.locomo.porter import stem

CATEGORIES = {1: "multi_hop", 2: "temporal", 3: "open_domain", 4: "single_hop", 5: "adversarial"}
NOT_MENTIONED = "not mentioned"
"""The right answer to an adversarial question."""

_NO_PUNCTUATION = str.maketrans("", "", punctuation)
_SKIPPED = frozenset(("a", "an", "the", "and"))
_ABSTAINS = re.compile(
    r"\b(no (such )?information|not (been )?(mentioned|available|specified|stated|known)|unanswerable"
    r"|(cannot|can not|cant|could not) be (determined|answered)|(do not|dont) know)\b"
)
_ABSTAINS_ALONE = frozenset(("unknown", "it is unknown", "its unknown"))


def score(answer: str, gold: str, category: int) -> float:
    """How right the first line of an answer is, in [0, 1].

    Category 1 (multi-hop): both sides are lists parted by commas; mean over the gold parts of the best F1.
    Category 3 (open-domain): the gold ends at its first semicolon, the reason follows it.
    Category 5 (adversarial): 1 for abstaining, else 0, whatever the gold says. The rest: plain F1.
    """
    line = answer.strip().partition("\n")[0]
    if category == 5:
        return float(abstains(line))
    if category == 1:
        return _list_f1(line, gold)
    return f1(line, gold.partition(";")[0] if category == 3 else gold)


def abstains(answer: str) -> bool:
    """Whether an answer says that there is no answer."""
    plain = " ".join(answer.lower().translate(_NO_PUNCTUATION).split())
    return plain in _ABSTAINS_ALONE or _ABSTAINS.search(plain) is not None


def stems(text: str) -> list[str]:
    """The stemmed words of a text, without case, punctuation, articles and "and"."""
    words = text.lower().translate(_NO_PUNCTUATION).split()
    return [stem(word) for word in words if word not in _SKIPPED]


def f1(answer: str, gold: str) -> float:
    """F1 of the two bags of stems; 0 where they share none."""
    said, meant = Counter(stems(answer)), Counter(stems(gold))
    shared = (said & meant).total()
    return 2 * shared / (said.total() + meant.total()) if shared else 0.0


def _list_f1(answer: str, gold: str) -> float:
    said = answer.split(",")
    best = [max(f1(part, wanted) for part in said) for wanted in gold.split(",") if stems(wanted)]
    return sum(best) / len(best) if best else 0.0
