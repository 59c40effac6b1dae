"""OpenAI messages: what is remembered of them, what is answered, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import Reader, agent_of

from memrl.agent.texts import is_question, statements
from memrl.contracts.errors import InputError
from memrl.policies.prompts import render_prompt


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_what_users_state_is_remembered_and_the_last_turn_answered():
    reader = Reader(lambda request: "Hello Bob.")
    agent = agent_of(reader)
    answer = agent.chat(
        [
            {"role": "system", "content": "Be brief."},
            user("My name is Bob."),
            {"role": "assistant", "content": "Nice to meet you."},
            user("I like tea. What is my name?"),
        ]
    )
    assert answer.text == "Hello Bob." and [line.text for line in answer.used] == ["My name is Bob."]
    assert [one.text for one in agent.all()] == ["My name is Bob.", "I like tea."]
    prompt = render_prompt(reader.seen[-1])
    assert prompt.startswith("Be brief.\n") and "Question: I like tea. What is my name?" in prompt


def test_a_conversation_sent_again_is_remembered_once():
    agent = agent_of()
    for _ in range(3):
        agent.chat([user("My name is Bob."), user("I like tea.")])
    assert [one.text for one in agent.all()] == ["My name is Bob.", "I like tea."]


def test_parts_of_type_text_are_read_and_pieces_come_as_they_are_written():
    agent = agent_of(Reader(lambda request: "yes"))
    answering = agent.chat([{"role": "user", "content": [{"type": "text", "text": "Is it so?"}]}], stream=True)
    assert list(answering) == ["yes"] and answering.answer.text == "yes" and len(agent.memory) == 0


@pytest.mark.parametrize(
    ("messages", "match"),
    [
        ([], "pass a list"),
        ("hello", "pass a list"),
        ([{"content": "x"}], r"\[0\]: it must be an object whose role"),
        ([{"role": "king", "content": "x"}], "whose role is one of"),
        ([user("hi"), {"role": "assistant", "content": "hello"}], "last message must be a user's"),
        ([user("  ")], "say something"),
        ([{"role": "user", "content": None}], r"\[0\].content = None"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "only parts of type text"),
        ([user("bad \udc00")], "surrogate"),
    ],
)
def test_what_is_no_conversation_is_one_line_and_nothing_is_remembered(messages, match):
    agent = agent_of()
    with pytest.raises(InputError, match=match):
        agent.chat(messages)
    assert len(agent.memory) == 0


@pytest.mark.parametrize("text", ["我住在哪里？", "Who?", "أين أسكن؟", 'She asked: "who?"', "Ի՞նչ է սա՞", "Where?  "])
def test_question_marks_of_other_scripts_ask(text):
    assert is_question(text)


@pytest.mark.parametrize("text", ["I live in Paris.", "我住在巴黎。", "what is my name", "a?b"])
def test_what_ends_otherwise_states(text):
    assert not is_question(text)


def test_the_statements_of_a_text_are_what_is_no_question():
    assert statements("I moved to Berlin. What should I see? It is cold.") == "I moved to Berlin. It is cold."
    assert statements("我搬到了柏林。我住在哪里？") == "我搬到了柏林。"
    assert statements("What should I see?") == ""
