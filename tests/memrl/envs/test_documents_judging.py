"""Token F1 against numbers worked out by hand, LoCoMo's categories, and what counts as abstaining."""

from __future__ import annotations

import pytest

from memrl.envs.documents.judging import judged, right_answer, token_f1
from memrl.envs.documents.records import Question


def question(*answers: str, category: str = "") -> Question:
    return Question(id="q", question="?", answers=answers, evidence=(), category=category)


@pytest.mark.parametrize(
    ("said", "gold", "score"),
    [
        ("The South Quay!", "south quay", 1.0),
        # shared 2, said 3 (at south quay), meant 2: 2 * 2 / (3 + 2)
        ("at the south quay", "the south quay", 0.8),
        # the same word twice is shared once: 2 * 1 / (2 + 1)
        ("red red", "red", 2 / 3),
        ("blue", "red", 0.0),
        ("", "red", 0.0),
        ("the", "a", 1.0),
    ],
)
def test_token_f1(said: str, gold: str, score: float) -> None:
    assert token_f1(said, gold) == pytest.approx(score, abs=1e-12)


def test_the_best_of_the_answers_counts_and_only_the_first_line() -> None:
    verdict = judged("slugs\nand snails", question("the snails", "the slugs", category="who"), "f1")
    assert (verdict.score, verdict.expected, verdict.category) == (1.0, "the snails", "who")
    assert judged("slugs", question("x"), "f1").category == "question"


@pytest.mark.parametrize(
    ("said", "score"), [("unknown", 1.0), ("It is not mentioned.", 1.0), ("a red lamp", 0.0), ("", 0.0)]
)
def test_where_there_is_no_answer_abstaining_is_right(said: str, score: float) -> None:
    assert judged(said, question(), "f1").score == score
    assert judged(said, question(category="adversarial"), "locomo").score == score


def test_locomo_keeps_its_own_scoring() -> None:
    # multi_hop: mean over the parts of the gold; temporal: stems, so "moved" is "moves"; f1 knows neither.
    hops = question("tea, two cups", category="multi_hop")
    assert judged("tea", hops, "locomo").score == 0.5
    assert judged("tea", hops, "f1").score == 0.5  # 2 * 1 / (1 + 3)
    assert judged("moves", question("moved", category="temporal"), "locomo").score == 1.0
    assert judged("moves", question("moved", category="temporal"), "f1").score == 0.0


def test_the_right_answer_is_judged_right() -> None:
    reasoned = question("Yes; she likes lamps", category="open_domain")
    assert right_answer(reasoned, "locomo") == "Yes"
    for one, scoring in (
        (reasoned, "locomo"),
        (question("a\nb", "c"), "f1"),
        (question(), "f1"),
        (question(), "locomo"),
    ):
        assert judged(right_answer(one, scoring), one, scoring).score == 1.0
