"""What an answer is worth, and what of a question a told text may hold."""

from __future__ import annotations

import pytest

from memrl.envs.tool_tasks.env import repeats
from memrl.envs.tool_tasks.judging import judge_of
from memrl.envs.tool_tasks.records import Turn


@pytest.mark.parametrize(
    ("said", "wanted", "score"),
    [
        ("C#", "C++", 0.0), ("<", "<=", 0.0), ("x = 1", "x != 1", 0.0), ("\u2717", "\u2713", 0.0), ("a", "", 0.0),
        ("1,600", "1600", 1.0), (".5", "5", 0.0), (".5", "0.5", 1.0), ("(160)", "160", 1.0), ("**160**", "160", 1.0),
        ("1,2,3", "1, 2, 3", 1.0), ("12,34", "1234", 0.0),
        ("\u201cThe Attic.\u201d", "the attic", 1.0), ("...", "...", 1.0),
    ],
)  # fmt: skip
def test_exact_tells_signs_and_numbers_apart(said: str, wanted: str, score: float) -> None:
    assert judge_of("exact")(said, Turn(text="?", answers=(wanted,)), []) == score


@pytest.mark.parametrize(
    ("told", "question", "is_fault"),
    [
        ("The subtotal is 40.", "Total", False), ("Name: Ana. City: Rome.", "City:", False),
        ("Given 12+25 rooms.", "2+2", False), ("She says: who is it? Nobody knows.", "Who is it?", True),
        ("You will be asked to state the price for Ana.", "State the price.", True),
        ("Restate the prices.", "State the price", False),
    ],
)  # fmt: skip
def test_told_texts_may_hold_a_word_of_a_question_and_not_all_of_it(told: str, question: str, is_fault: bool) -> None:
    assert repeats(told, [question]) is is_fault
