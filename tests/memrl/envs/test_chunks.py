"""Any environment read in larger pieces: what is joined, when a chunk ends, what of the source is passed on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from memrl.contracts.capabilities import Bounded, EvidenceReader, Lessons, OracleMemory, Stretchable, able
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Outcome
from memrl.contracts.registry import make
from memrl.contracts.types import Observation, Say, Task, Verdict
from memrl.envs.chunks import ChunkedEnv, joined
from memrl.evaluate import for_evaluation
from memrl.recipes import recipe
from memrl.testing import check_env

SMALL = {"horizon": 12, "objects": 2, "places": 4, "questions": 3, "delay": 2}


class Tape:
    """Plays marks: "." is told, "?" asks, "x" may not be written; telling pays 1, asking 10."""

    def __init__(self, marks: str) -> None:
        self._marks, self._at = marks, 0

    def start(self) -> Observation:
        mark = self._marks[self._at]
        return Observation(
            id=f"o{self._at}", step=self._at, content=f"{mark}{self._at}", wants_action=mark == "?",
            writable=mark == ".", trust=0.3 if self._at == 1 else 1.0, source="a" if self._at < 2 else "b",
        )  # fmt: skip

    def step(self, action: Any) -> Outcome:
        asks = self._marks[self._at] == "?"
        assert (action is not None) == asks, "an action comes where one is wanted, and nowhere else"
        self._at += 1
        verdict = Verdict(score=1.0, expected="yes", category="tape") if asks else None
        over = self._at == len(self._marks)
        return Outcome(10.0 if asks else 1.0, None if over else self.start(), verdict, success=1.0 if over else None)


def shown(marks: str, size: int) -> list[tuple[str, str, float]]:
    """Id and text of every observation, and what it paid."""
    env, seen = ChunkedEnv(Tape(marks), size), []
    observation: Observation | None = env.start()
    while observation is not None:
        outcome = env.step(Say("yes") if observation.wants_action else None)
        assert (outcome.verdict is not None) == observation.wants_action
        assert (outcome.success is not None) == (outcome.next is None)
        seen.append((observation.id, observation.text.replace("\n", " "), outcome.reward))
        observation = outcome.next
    return seen


@pytest.mark.parametrize(
    ("marks", "size", "expected"),
    [
        ("....", 2, [("o1", ".0 .1", 2.0), ("o3", ".2 .3", 2.0)]),
        ("....", 3, [("o2", ".0 .1 .2", 3.0), ("o3", ".3", 1.0)]),
        ("..?.", 3, [("o1", ".0 .1", 2.0), ("o2", "?2", 10.0), ("o3", ".3", 1.0)]),
        ("?..", 2, [("o0", "?0", 10.0), ("o2", ".1 .2", 2.0)]),
        (".x.??", 4, [("o0", ".0", 1.0), ("o1", "x1", 1.0), ("o2", ".2", 1.0), ("o3", "?3", 10.0), ("o4", "?4", 10.0)]),
        ("..?", 1, [("o0", ".0", 1.0), ("o1", ".1", 1.0), ("o2", "?2", 10.0)]),
    ],
)
def test_what_is_told_is_joined_and_a_question_comes_at_its_own_time(marks: str, size: int, expected: Any) -> None:
    assert shown(marks, size) == expected


def test_a_chunk_is_believed_as_its_least_part_and_comes_from_one_source_or_none() -> None:
    tape = [Observation(id=f"o{i}", step=i, content=str(i), trust=t, source="a") for i, t in enumerate((1.0, 0.3))]
    both = joined(tape)
    assert (both.id, both.step, both.text, both.trust, both.source) == ("o1", 1, "0\n1", 0.3, "a")
    assert joined([tape[0], replace(tape[1], source="b")]).source == ""


def source(**options: Any) -> Any:
    return make("env", "chunks", {"env": "memworld", "size": 3, "env_options": SMALL, **options}, "env.name")


def test_the_kit_passes() -> None:
    check_env(source())


def test_a_chunked_task_asks_the_same_questions_and_shows_the_same_texts() -> None:
    inner = make("env", "memworld", SMALL, "env.name")

    def told(one: Any) -> tuple[list[str], list[str]]:
        env, texts, answers = one.make(one.held_out(3)), [], []
        observation: Observation | None = env.start()
        while observation is not None:
            outcome = env.step(Say("attic") if observation.wants_action else None)
            texts += observation.text.split("\n")
            answers += [outcome.verdict.expected] if outcome.verdict is not None else []
            observation = outcome.next
        return texts, answers

    assert told(source()) == told(inner)


def test_what_rests_on_single_observations_is_not_passed_on() -> None:
    one = source()
    assert one.passive and able(one, OracleMemory) and able(one, Lessons) and able(one, Stretchable)
    assert able(one, EvidenceReader) is None and able(one, Bounded) is None
    env, task = one.make(one.held_out(0)), one.held_out(0)
    assert task.env == "chunks" and one.brief(task).header
    first = env.start().id
    inner = make("env", "memworld", SMALL, "env.name")
    assert first == "o2" and one.ideal_memory(task, first, 64, len) == inner.ideal_memory(task, "o2", 64, len)


def test_a_plain_source_stays_plain() -> None:
    class Plain:
        name = "plain"

        def make(self, task: Task) -> Tape:
            return Tape("..?")

        def cells(self) -> list[str]:
            return ["one"]

        def train(self, cell: str, seed: int) -> Task:
            return Task(env=self.name, theta=None, seed=seed, cell=cell)

        def held_out(self, seed: int) -> Task:
            return Task(env=self.name, theta=None, seed=seed, split="eval")

    from memrl.contracts.registry import _PARTS, register

    register("env", "plain-tape", Plain)
    try:
        one = make("env", "chunks", {"env": "plain-tape", "size": 2}, "env.name")
    finally:
        _PARTS.pop(("env", "plain-tape"))
    assert not one.passive and able(one, OracleMemory) is None and able(one, Stretchable) is None
    check_env(one)


def test_another_horizon_is_that_of_the_source_inside() -> None:
    options = {"env": "memworld", "size": 3, "env_options": SMALL}
    longer = for_evaluation(recipe("plain", env={"name": "chunks", "options": options}), horizon=48)
    assert longer.env.options == {**options, "env_options": {**SMALL, "horizon": 48, "questions": 12}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "env.options.size = 0: it must be at least 1"),
        ({"env": ""}, "env.options.env = '': name one"),
        ({"env_options": {"horizon": 0}}, "horizon = 0: it must be at least 1"),
        ({"env_options": {"colour": 1}}, "env.options.env_options.colour = 1"),
        ({"env": "nowhere"}, "env.options.env = 'nowhere'"),
    ],
)
def test_bad_options_are_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        source(**options)
