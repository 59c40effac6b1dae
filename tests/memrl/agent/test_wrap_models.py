"""A wrapped model observes, answers, and takes its memory up again."""

import pytest

import memrl
from memory_stores.types import Write
from memrl.agent import Reason, wrap
from memrl.contracts.errors import ConfigError, DataError, InputError, ModelError
from memrl.policies.tiny import tiny_model
from memrl.recipes import recipe
from memrl.training.export import export


@pytest.fixture(scope="module")
def agent():
    return wrap("tiny")


def test_what_was_observed_is_in_view_when_it_is_asked(agent):
    seen = agent.observe("Ana put the lantern in the attic.")
    assert seen.kept and [type(op) for op in seen.ops] == [Write] and [agent.memory.get(id).text for id in seen]
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


def test_a_blank_question_is_an_error_and_a_blank_text_is_refused(agent):
    with pytest.raises(InputError, match="blank"):
        agent.ask("  ")
    assert agent.observe(" \n").refused and agent.observe("").reason is Reason.BLANK


def test_a_run_whose_policy_reads_labels_is_refused_and_its_controller_wrapped(tmp_path):
    small = {"data": "tests/memrl/streams/small.jsonl", "questions": 2}
    config = recipe(
        "reading", steps=1, out=str(tmp_path / "run"), env={"options": small}, memory={"embedder": "hash"},
        policy={"options": {"tokenizer": ""}}, rollout={"practice_tasks": 1, "group_size": 2},
    )  # fmt: skip
    run = memrl.train(config)
    with pytest.raises(ConfigError, match=r"only reads evidence labels; .*controller=DIR"):
        wrap(run)
    agent = wrap("tiny", controller=str(export(run, "controller", tmp_path / "controller")))
    agent.observe("Ana put the lantern in the attic.")
    assert [line.text for line in agent.ask("Where is the lantern?").used] == ["Ana put the lantern in the attic."]


@pytest.mark.parametrize("knob", ["archive_tokens", "read_tokens", "max_new_tokens"])
@pytest.mark.parametrize("count", [0, -1, 1.5, True, None, "9"])
def test_a_count_that_is_none_is_named_as_it_was_given(knob, count):
    with pytest.raises(ConfigError, match=rf"wrap\({knob}=\) = .*: it must be a whole number of at least [18]$"):
        wrap("tiny", **{knob: count})


def test_a_clock_is_a_function():
    with pytest.raises(InputError, match=r"wrap\(clock=\) = None: pass a function"):
        wrap("tiny", clock=None)


def test_a_question_that_is_too_long_is_told_in_the_words_of_a_caller():
    agent = wrap("tiny")
    agent.observe("The key is under the mat.")
    for ask in (lambda: agent.ask("word " * 100_000), lambda: agent.ask("Where?", instructions="word " * 100_000)):
        with pytest.raises(
            InputError, match=r"the prompt has \d+ tokens, and this model reads \d+ beside its answer: sho"
        ):
            ask()
    assert len(agent.memory) == 1 and agent.ask("Where is the key?").used
