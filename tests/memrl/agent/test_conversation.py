"""OpenAI messages: what is remembered of them, what is answered, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import DAY, NOON, Clock, Reader, agent_of

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


def test_what_is_sent_again_on_another_day_keeps_its_date_and_costs_no_op():
    reader, clock = Reader(), Clock()
    agent = agent_of(reader, clock=clock)
    said = [user("I went to the dentist yesterday."), {"role": "assistant", "content": "Oh."}, user("My cat is Mia.")]
    agent.chat(said)
    dates, before = [one.details.time for one in agent.all()], agent.memory.state_hash()
    clock.now += 7 * DAY
    for _ in range(3):
        agent.chat([*said, {"role": "assistant", "content": "Nice."}, user("When did I go to the dentist?")])
    assert [one.details.time for one in agent.all()] == dates and agent.memory.state_hash() == before
    prompt = render_prompt(reader.seen[-1])
    assert "- I went to the dentist yesterday. (2026-11-27)" in prompt and "Today is 2026-12-04." in prompt


def test_what_another_source_said_first_is_the_users_once_with_its_first_date():
    clock = Clock()
    agent = agent_of(clock=clock)
    agent.observe("My cat is Mia.", source="diary", trust=0.4)
    clock.now += DAY
    for _ in range(2):
        agent.chat([user("My cat is Mia."), user("Hello.")], trust=0.4)
    [cat, _] = sorted(agent.all(), key=lambda one: one.text, reverse=True)
    assert (cat.details.time, cat.details.source, cat.details.also) == (NOON, "user", ("diary",))
    assert cat.trust == pytest.approx(0.64)  # 1 - 0.6 * 0.6, the source counting once


def test_a_long_text_sent_again_is_held_once():
    agent = agent_of()
    long = " ".join(f"The {n}th word is w{n}." for n in range(30))
    agent.chat([user(long), user("Hello.")])
    held = [one.text for one in agent.all()]
    answer = agent.chat([user(long), user("Hello.")])
    assert [one.text for one in agent.all()] == held and len(held) > 2
    assert [one.duplicate for one in answer.observed] == [True, True]
    assert agent.observe(long).duplicate and len(agent.memory) == len(held)


def test_the_answer_says_what_was_not_remembered():
    agent = agent_of(archive_tokens=100)
    answer = agent.chat([user("word. " * 200), user("I like tea. And you?")])
    assert [str(one) for one in answer.observed] == [
        "too long: memory could never hold it, or no view could show it",
        "remembered",
    ]


def test_what_was_taken_back_does_not_come_back_with_the_whole_conversation_sent_again():
    for take_back in (
        lambda agent, id: agent.forget("My PIN is 4711."),
        lambda agent, id: agent.delete(id),
        lambda agent, id: agent.update(id, "My PIN is secret."),
    ):
        agent = agent_of()
        said = [user("My PIN is 4711.")]
        answer = agent.chat(said)
        take_back(agent, answer.observed[0].ids[0])
        left = [one.text for one in agent.all()]
        again = agent.chat([*said, {"role": "assistant", "content": "Ok."}, user("I like tea.")])
        assert [one.text for one in agent.all()] == [*left, "I like tea."]
        assert str(again.observed[0]).startswith("taken back") and not again.observed[0]
        # Who says it in a turn of its own says it anew, and from then on it may be sent again.
        agent.chat([*said, user("My PIN is 4711.")])
        agent.chat([*said, user("Thanks.")])
        assert [one.text for one in agent.all()].count("My PIN is 4711.") == 1


def test_the_newest_said_again_on_another_day_has_that_date_and_its_new_metadata():
    clock = Clock(NOON)
    agent = agent_of(clock=clock)
    agent.observe("I went to the dentist.", metadata={"a": 1})
    clock.now = NOON + 60
    assert not agent.observe("I went to the dentist.").ops
    clock.now = NOON + 5 * DAY
    agent.observe("I went to the dentist.", metadata={"b": 2})
    [one] = agent.all()
    assert one.details.time == NOON + 5 * DAY and one.details.metadata == {"a": 1, "b": 2}
