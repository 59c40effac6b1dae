"""Which questions a text puts into words."""

from __future__ import annotations

import pytest

from memrl.contracts.questions import said_questions


@pytest.mark.parametrize(
    ("told", "asked", "same"),
    [
        ("I wonder. Where is the lamp?", "Where is the  lamp?", True),
        ("where is the lamp? Nobody knows.", "Where is the lamp?", True),
        ("Have you met Mr. Smith?", "In which town was born our Mr. Smith?", False),
        ("Well. In which town was born our Mr. Smith?", "In which town was born our Mr. Smith?", True),
        ("Why?", "Why?", False),  # who asks so has told nothing
        ("Where is the lamp.", "Where is the lamp?", False),
        ("鑰匙在哪裡？", "鑰匙在哪裡？", True),
        ("鑰匙在花盆下面。", "鑰匙在哪裡？", False),
        ("أين المصباح الأحمر؟", "أين المصباح الأحمر؟", True),
        ("", "Where is the lamp?", False),
    ],
)
def test_a_question_is_compared_whole(told: str, asked: str, same: bool):
    assert bool(said_questions(told) & said_questions(asked)) is same


def test_a_text_without_a_question_has_none():
    assert said_questions("It rains. It snows!") == frozenset() == said_questions("?")
