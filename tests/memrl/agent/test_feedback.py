"""What people thought of answers becomes lessons for the controller, and they help on questions not rated."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import agent_of

from memrl.agent import MemoryAgent
from memrl.cli.main import app
from memrl.contracts.errors import ConfigError, DataError, InputError
from memrl.training.feedback import FeedbackOptions, learn, rating_loss, read_feedback

TOWNS = ("Oslo", "Lima", "Cairo", "Quito", "Perth", "Turin", "Minsk", "Dakar")
NAMES = (
    "Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Ida", "Jan", "Kim", "Leo",
    "Mia", "Nils", "Olga", "Paul",
)  # fmt: skip


def movers(**knobs) -> MemoryAgent:
    """Everybody is told of twice, with another town each time; one line fits the view."""
    agent = agent_of(read_tokens=8, **knobs)
    for turn in (0, 1):
        for number, name in enumerate(NAMES):
            agent.observe(f"{name} lives in {TOWNS[(number + turn * 3) % len(TOWNS)]}.")
    return agent


def right(agent: MemoryAgent, number: int):
    """The answer's view, and whether it has the newer town."""
    answer = agent.ask(f"Where does {NAMES[number]} live?")
    newer = TOWNS[(number + 3) % len(TOWNS)]
    return answer, float(any(NAMES[number] in line.text and newer in line.text for line in answer.used))


def test_rated_answers_teach_what_to_read(tmp_path: Path):
    agent, file = movers(), tmp_path / "rated.jsonl"
    for number in range(8):
        answer, reward = right(agent, number)
        assert agent.feedback(answer, reward, file) == 1
    before = [right(agent, number)[1] for number in range(8, 16)]
    measured = learn(file, tmp_path / "taught")
    assert measured["answers"] == measured["readings"] == 8 and 0 < measured["mean_reward"] < 1
    taught = movers(controller=str(tmp_path / "taught"))
    after = [right(taught, number)[1] for number in range(8, 16)]
    assert sum(after) > sum(before), (before, after, measured)


def test_what_was_good_becomes_likelier_and_what_was_bad_less():
    # -1/2 log(1/2) for the good one, -1/2 log(1 - 1/4) for the bad one.
    logprobs = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    loss = rating_loss(logprobs, torch.tensor([0, 0]), torch.tensor([0.5, -0.5]))
    assert loss.item() == pytest.approx(0.5 * math.log(2) - 0.5 * math.log(0.75))


def test_the_file_holds_no_text_and_the_last_rating_counts(tmp_path: Path):
    agent, file = movers(), tmp_path / "rated.jsonl"
    answer, _ = right(agent, 0)
    agent.feedback(answer, 0, file)
    agent.feedback(answer, 1, file)
    assert "Ana" not in file.read_text() and "Oslo" not in file.read_text()
    [rated] = read_feedback(file)
    assert rated.reward == 1 and len(rated.readings) == 1
    assert rated.readings[0].numbers.shape == (len(answer.decisions[0].offers), len(rated.names))
    with pytest.raises(DataError, match="1 rated answers with readings, all of one reward"):
        learn(file, tmp_path / "taught")


@pytest.mark.parametrize("reward", [math.nan, "good", None])
def test_a_reward_is_a_number(reward, tmp_path: Path):
    agent = agent_of()
    answer = agent.ask("Who?")
    with pytest.raises(InputError, match=r"feedback\(reward\)"):
        agent.feedback(answer, reward, tmp_path / "rated.jsonl")
    with pytest.raises(InputError, match=r"feedback\(to=\) = .*folder"):
        agent.feedback(answer, 1, tmp_path)


def test_a_damaged_line_is_named(tmp_path: Path):
    file = tmp_path / "rated.jsonl"
    with pytest.raises(DataError, match=r"rated\.jsonl cannot be read"):
        read_feedback(file)
    good = {"format": "memrl_feedback/1", "answer": "a", "reward": 1, "names": ["x"], "readings": []}
    for bad in ("{half", json.dumps({**good, "format": "other"}), json.dumps({**good, "readings": [{"choice": 3}]})):
        file.write_text(json.dumps(good) + "\n" + bad + "\n")
        with pytest.raises(DataError, match=r"line 2: .*; take the line out"):
            read_feedback(file)


@pytest.mark.parametrize("change", [("reward", math.nan), ("reward", math.inf), ("logprob", -math.inf)])
def test_what_is_not_finite_teaches_nobody(change: tuple[str, float], tmp_path: Path):
    agent, file = movers(), tmp_path / "rated.jsonl"
    agent.feedback(right(agent, 0)[0], 1, file)
    told = json.loads(file.read_text())
    (told if change[0] == "reward" else told["readings"][0])[change[0]] = change[1]
    file.write_text(json.dumps(told) + "\n")
    with pytest.raises(DataError, match=r"line 1: .* is not finite; take the line out"):
        read_feedback(file)


@pytest.mark.parametrize(
    "held", [b"An essay, and no end of line", b"An essay.\n", b"SQLite format 3\0\n", b'{"format": "x"}\n']
)
def test_a_file_of_another_kind_is_left_as_it_is(held: bytes, tmp_path: Path):
    agent, file = movers(), tmp_path / "essay.txt"
    file.write_bytes(held)
    with pytest.raises(DataError, match=r"essay\.txt holds something else, which is left as it is"):
        agent.feedback(right(agent, 0)[0], 1, file)
    assert file.read_bytes() == held


def test_options_that_rated_answers_know_nothing_of_are_refused(tmp_path: Path):
    words = ["train", "--from-feedback", "f", "--out", str(tmp_path / "x"), "--steps", "5", "--recipe", "smoke"]
    said = CliRunner().invoke(app, words)
    assert isinstance(said.exception, InputError) and "leave out --recipe, --steps" in str(said.exception)


def test_the_command_line_learns_and_says_what_it_needs(tmp_path: Path):
    agent, file = movers(), tmp_path / "rated.jsonl"
    for number in range(3):
        agent.feedback(right(agent, number)[0], number % 2, file)
    runner, out = CliRunner(), tmp_path / "taught"
    missing = runner.invoke(app, ["train", "--from-feedback", str(file)])
    assert isinstance(missing.exception, InputError) and "--out DIR" in str(missing.exception)
    done = runner.invoke(app, ["train", "--from-feedback", str(file), "--out", str(out), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["answers"] == 3
    taken = runner.invoke(app, ["train", "--from-feedback", str(file), "--out", str(out)])
    assert "something is there already" in str(taken.exception)
    with pytest.raises(ConfigError, match=r"feedback\.epochs = 0"):
        FeedbackOptions(epochs=0)
