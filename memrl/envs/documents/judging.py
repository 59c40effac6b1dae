"""How an answer is judged: token F1 as SQuAD counts it, or by LoCoMo's categories."""

from __future__ import annotations

import re
from collections import Counter
from string import punctuation

from memrl.contracts.types import Verdict
from memrl.envs.documents.records import Question, Scoring
from memrl.envs.locomo.scoring import CATEGORIES, NOT_MENTIONED, abstains, score

UNKNOWN = "unknown"
"""What a reader says that does not know; abstaining, so it is right where the stream holds no answer."""

_NO_PUNCTUATION = str.maketrans("", "", punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CATEGORY_ID = {name: id for id, name in CATEGORIES.items()}


def judged(answer: str, question: Question, scoring: Scoring) -> Verdict:
    """Score in [0, 1] of the first line of an answer, against the best of the right ones.

    Where there is no right one: 1 for abstaining, else 0.
    """
    line = answer.strip().partition("\n")[0]
    expected = right_answer(question, scoring)
    if not question.answers:
        points = float(abstains(line))
    elif scoring == "locomo":
        points = max(score(line, gold, _CATEGORY_ID[question.category]) for gold in question.answers)
    else:
        points = max(token_f1(line, gold) for gold in question.answers)
    return Verdict(score=points, expected=expected, category=question.category or "question")


def right_answer(question: Question, scoring: Scoring) -> str:
    """An answer that is judged right, on one line."""
    if not question.answers:
        return NOT_MENTIONED if scoring == "locomo" else UNKNOWN
    gold = " ".join(question.answers[0].split())
    is_reasoned = scoring == "locomo" and question.category == "open_domain"
    return gold.partition(";")[0] if is_reasoned else gold


def token_f1(answer: str, gold: str) -> float:
    """F1 of two bags of words without case, punctuation and articles (SQuAD, arXiv:1606.05250).

    Where one of them has no words left, 1 if neither has, else 0 (SQuAD 2.0, arXiv:1806.03822).
    """
    said, meant = _words(answer), _words(gold)
    if not said or not meant:
        return float(said == meant)
    shared = (Counter(said) & Counter(meant)).total()
    return 2 * shared / (len(said) + len(meant))


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()
