"""The prompt is the header, the view and the observation, and the answer is its first line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from policy_samples import ask

from memrl.contracts.types import Say, Unreadable
from memrl.policies.parsing import parse_answer
from memrl.policies.prompts import render_prompt


def test_layout() -> None:
    assert render_prompt(ask("Where is it?", ["Ana has it.", "Bo took it."])) == (
        "Answer from memory in one word, or say unknown.\nMemory:\n- Ana has it.\n- Bo took it.\n"
        "Question: Where is it?\nAnswer:"
    )


def test_an_empty_memory_says_so() -> None:
    assert "\nMemory:\n(empty)\nQuestion:" in render_prompt(ask())


def test_memory_stands_in_the_given_order_before_the_question_so_that_prefixes_are_shared() -> None:
    one, two = render_prompt(ask("A?", ["x", "y"])), render_prompt(ask("B?", ["x", "y"]))
    assert one.partition("A?")[0] == two.partition("B?")[0]
    assert render_prompt(ask("A?", ["y", "x"])) != one


def test_nothing_else_of_a_request_enters() -> None:
    request = ask("Where is it?", ["Ana has it."])
    task = replace(request.task, seed=987, cell="hard", split="eval")
    other = replace(request, task=task, memory_hash="zzz", seed=123, greedy=True)
    observation = replace(other.observation, id="q7", step=4711, trust=0.5)
    assert render_prompt(replace(other, observation=observation)) == render_prompt(request)


@pytest.mark.parametrize(
    ("text", "action"),
    [
        (" attic", Say("attic")),
        (" attic\nMemory:", Say("attic")),
        ("the  barn. \n", Say("the  barn.")),
        ("", Unreadable("")),
        (" \n\t", Unreadable(" \n\t")),
    ],
)
def test_answers_are_read(text: str, action: object) -> None:
    assert parse_answer(text) == action
