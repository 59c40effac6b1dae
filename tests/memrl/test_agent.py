"""A wrapped model observes, answers, and takes its memory up again."""

import pytest

from memory_stores.types import Write
from memrl.agent import wrap
from memrl.contracts.errors import DataError, ModelError
from memrl.policies.tiny import tiny_model


@pytest.fixture(scope="module")
def agent():
    return wrap("tiny")


def test_what_was_observed_is_in_view_when_it_is_asked(agent):
    ops = agent.observe("Ana put the lantern in the attic.")
    assert [type(op) for op in ops] == [Write]
    answer = agent.ask("Where is the lantern?")
    assert [line.text for line in answer.used] == ["Ana put the lantern in the attic."]
    assert isinstance(answer.text, str) and answer.ops


def test_the_question_is_not_remembered(agent):
    before = len(agent.memory)
    agent.ask("Where is the kettle?")
    assert len(agent.memory) == before


def test_a_saved_memory_is_taken_up_again(agent, tmp_path):
    path = agent.save(tmp_path / "notes.json")
    again = wrap("tiny", memory=path)
    assert again.memory.state_hash() == agent.memory.state_hash()
    again.observe("Ben took the lantern to the cellar.")
    assert again.save() == path


def test_a_model_in_hand_needs_its_tokenizer():
    model, tokenizer = tiny_model()
    assert wrap(model, tokenizer=tokenizer).ask("Anything?").used == ()
    with pytest.raises(ValueError, match="tokenizer"):
        wrap(model)


def test_a_corrupt_memory_file_is_one_clear_line(tmp_path):
    path = tmp_path / "notes.json"
    path.write_text("{half")
    with pytest.raises(DataError, match=r"notes\.json"):
        wrap("tiny", memory=path)


def test_a_folder_without_weights_is_one_clear_line(tmp_path):
    with pytest.raises(ModelError, match="holds no"):
        wrap(str(tmp_path))


@pytest.mark.parametrize("call", ["observe", "ask"])
def test_blank_text_is_refused(agent, call):
    with pytest.raises(ValueError, match="blank"):
        getattr(agent, call)("  ")
