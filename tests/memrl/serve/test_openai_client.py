"""OpenAI's own client against a served agent: what it reads, and each user's memory apart."""

import openai
import pytest
from served import Scripted, Told, serving

from memrl.agent import wrap
from memrl.contracts.errors import EndpointError

TOKEN = "a-token-of-twenty-letters"


def parrot(messages, agent):
    """Says what it finds in memory for the last message."""
    found = agent.search(messages[-1]["content"], 1, where=None)
    return Told(["I recall: ", found[0].text if found else "nothing"])


@pytest.fixture(scope="module")
def tiny():
    return wrap("tiny")


@pytest.fixture(scope="module")
def address(tiny):
    with serving(tiny, model="tiny", token=TOKEN) as address:
        yield address


def client(address, key=TOKEN):
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0, timeout=60)


def test_models_are_listed_and_shown(address):
    with client(address) as ask:
        assert [model.id for model in ask.models.list()] == ["tiny", "memrl"]
        assert ask.models.retrieve("tiny").owned_by == "memrl"
        with pytest.raises(openai.NotFoundError, match="not served here"):
            ask.models.retrieve("gpt-9")


def test_an_answer_whole_and_streamed_is_the_same(address):
    messages = [{"role": "user", "content": "Where is the lamp?"}]
    with client(address) as ask:
        told = [{"role": "user", "content": "The lamp is in the attic."}, *messages]
        first = ask.chat.completions.create(model="tiny", messages=told, user="whole")
        assert first.object == "chat.completion" and first.choices[0].finish_reason == "stop"
        assert first.usage.prompt_tokens > 0
        assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
        assert [line["text"] for line in first.model_extra["memory"]["used"]] == ["The lamp is in the attic."]
        ask.chat.completions.create(model="tiny", messages=told, user="streamed")
        stream = ask.chat.completions.create(
            model="tiny", messages=messages, user="streamed", stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
        again = ask.chat.completions.create(model="tiny", messages=messages, user="whole")
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == again.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == again.usage and len({chunk.id for chunk in chunks}) == 1


def test_each_user_has_a_memory_apart(tiny):
    with serving(Scripted(tiny, parrot)) as address, client(address) as ask:

        def say(text, user):
            messages = [{"role": "user", "content": text}]
            return ask.chat.completions.create(model="memrl", messages=messages, user=user).choices[0].message.content

        tiny.user("ana").observe("The key is under the mat.")
        tiny.user("ben").observe("The key is in the safe.")
        assert say("Where is the key?", "ana") == "I recall: The key is under the mat."
        assert say("Where is the key?", "ben") == "I recall: The key is in the safe."
        assert say("Where is the key?", "cyd") == "I recall: nothing"


def test_a_wrong_or_missing_token_is_an_authentication_error(address):
    for key in ("wrong", TOKEN + "x", TOKEN[:-1]):
        with client(address, key) as ask, pytest.raises(openai.AuthenticationError, match="token is missing or wrong"):
            ask.models.list()


@pytest.mark.parametrize(
    ("change", "error", "param"),
    [
        ({"model": "gpt-9"}, openai.NotFoundError, "model"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"n": 3}, openai.BadRequestError, "n"),
        ({"user": " "}, openai.BadRequestError, "user"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError, "tools"),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, openai.BadRequestError, None),
        ({"messages": [{"role": "king", "content": "hi"}]}, openai.BadRequestError, None),
        ({"messages": [{"role": "user", "content": None}]}, openai.BadRequestError, None),
    ],
)
def test_a_request_that_cannot_be_answered_is_a_typed_error_that_names_the_field(address, change, error, param):
    asked = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], **change}
    with client(address) as ask:
        with pytest.raises(error) as found:
            ask.chat.completions.create(**asked)
        assert found.value.param == param and found.value.body["message"] and "\n" not in str(found.value.body)
        assert ask.models.list().data


def test_a_model_that_fails_is_a_typed_error_and_the_next_request_is_answered(tiny):
    fails = {"Break": RuntimeError("secret detail"), "Unreachable": EndpointError("http://x/v1 does not answer")}

    def say(messages, agent):
        word = messages[-1]["content"]
        if word == "Late":
            return Told(["Well"], fails=RuntimeError("secret detail"))
        if word in fails:
            raise fails[word]
        return Told(["fine"])

    with serving(Scripted(tiny, say)) as address, client(address) as ask:

        def answer(text, stream=False):
            messages = [{"role": "user", "content": text}]
            return ask.chat.completions.create(model="memrl", messages=messages, stream=stream)

        for stream in (False, True):
            with pytest.raises(openai.InternalServerError) as broken:
                answer("Break", stream)
            assert broken.value.status_code == 500 and "secret" not in str(broken.value)
            with pytest.raises(openai.InternalServerError, match="does not answer") as unreachable:
                answer("Unreachable", stream)
            assert unreachable.value.status_code == 502
        with pytest.raises(openai.APIError, match="error inside the server"):
            list(answer("Late", stream=True))
        assert answer("Well?").choices[0].message.content == "fine"


def test_a_client_that_goes_away_lets_go_of_the_model(tiny):
    def endless():
        while True:
            yield "more "

    def say(messages, agent):
        return Told(endless() if messages[-1]["content"] == "Go on" else ["done"])

    scripted = Scripted(tiny, say)
    with serving(scripted) as address, client(address) as ask:
        messages = [{"role": "user", "content": "Go on"}]
        stream = ask.chat.completions.create(model="memrl", messages=messages, stream=True)
        next(iter(stream))
        stream.close()
        for _ in range(200):
            if scripted.spoken[0].closed:
                break
            ask.models.list()
        assert scripted.spoken[0].closed
