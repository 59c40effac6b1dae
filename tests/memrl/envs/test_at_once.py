"""Questions in a row as one question, and one answer judged part by part."""

from __future__ import annotations

from typing import Any

import pytest

from memrl.contracts.capabilities import EvidenceReader, OracleMemory, Stretchable, able, brief_of
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Outcome
from memrl.contracts.registry import make
from memrl.contracts.types import Action, Observation, Say, Task, Unreadable, Verdict
from memrl.envs.at_once import AtOnceEnv, AtOnceTasks, answers
from memrl.testing import check_env

SMALL = {"horizon": 12, "objects": 3, "questions": 6, "delay": 0, "update_rate": 0.0}
"""Six sentences on three things, then six questions."""


class Tape:
    """Plays marks: "." is told, a digit asks after itself; telling pays 1, a right answer 10."""

    def __init__(self, marks: str) -> None:
        self._marks, self._at = marks, 0

    def start(self) -> Observation:
        mark = self._marks[self._at]
        return Observation(
            id=f"o{self._at}", step=self._at, content=mark, wants_action=mark != ".", writable=mark == "."
        )

    def step(self, action: Action | None) -> Outcome:
        mark = self._marks[self._at]
        assert (action is not None) == (mark != "."), "an action comes where one is wanted, and nowhere else"
        self._at += 1
        over = self._at == len(self._marks)
        after = None if over else self.start()
        if mark == ".":
            return Outcome(1.0, after, success=0.5 if over else None)
        right = float(action == Say(mark))
        verdict = Verdict(score=right, expected=mark, category="odd" if int(mark) % 2 else "even")
        return Outcome(10 * right, after, verdict, success=0.5 if over else None)


def played(marks: str, *said: Action, most: int = 16) -> list[tuple[str, str, float, Verdict | None]]:
    """Id, text, reward and verdict of every step."""
    env, told, given = AtOnceEnv(Tape(marks), Tape(marks), most), [], iter(said)
    observation: Observation | None = env.start()
    while observation is not None:
        outcome = env.step(next(given) if observation.wants_action else None)
        told.append((observation.id, observation.text, outcome.reward, outcome.verdict))
        assert (outcome.success is not None) == (outcome.next is None)
        observation = outcome.next
    return told


def test_questions_in_a_row_are_asked_at_once_and_judged_part_by_part():
    _, asked, _, _ = played(".12.3", Say("1; 9"), Say("3"))
    assert asked == ("o2", "1; 2", 10.0, Verdict(score=0.5, expected="1; 2", category="several"))
    told = played(".12.3", Say("1; 2"), Say("3"))
    assert [(id, text, reward) for id, text, reward, _ in told] == [
        ("o0", ".", 1.0),
        ("o2", "1; 2", 20.0),
        ("o3", ".", 1.0),
        ("o4", "3", 10.0),
    ]


def test_a_row_has_so_many_questions_at_the_most():
    assert [text for _, text, _, _ in played("123", Say("1;2"), Say("3"), most=2)] == ["1; 2", "3"]
    assert [text for _, text, _, _ in played("12", Say("1"), Say("2"), most=1)] == ["1", "2"]


def test_one_category_stays_one():
    [(_, _, _, verdict)] = played("13", Say("1; 3"))
    assert verdict == Verdict(score=1.0, expected="1; 3", category="odd")


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a; b", ["a", "b", ""]), ("a;b;c;d", ["a", "b", "c;d"]), ("", ["", "", ""]), ("; b", ["", "b", ""])],
)
def test_what_is_missing_is_empty_and_what_is_too_much_stays_with_the_last(text: str, parts: list[str]):
    assert answers(text, 3) == parts


def test_what_cannot_be_read_answers_nothing():
    [(_, _, reward, verdict)] = played("12", Unreadable("1; 2"))
    assert reward == 0.0 and verdict is not None and verdict.score == 0.0


def source(**options: Any) -> AtOnceTasks:
    return make("env", "at_once", {"env": "memworld", "env_options": SMALL, **options}, "env.name")


def test_memworld_asks_all_at_its_end():
    one = source()
    env = one.make(one.train(one.cells()[-1], 0))
    observation, shown = env.start(), []
    while observation is not None:
        shown.append(observation)
        observation = env.step(Say("x") if observation.wants_action else None).next
    assert len(shown) == 7 and shown[-1].text.count("; ") == 5
    assert brief_of(one, one.held_out(0)).header.endswith("with ; between two.")
    check_env(one)


def test_what_the_source_says_by_the_id_of_a_question_is_not_passed_on():
    one = source()
    assert able(one, OracleMemory) is not None and able(one, Stretchable) is not None
    assert able(one, EvidenceReader) is None


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"most": 0}, r"env.options.most = 0: it must be at least 1"),
        ({"env": "nowhere"}, r"env.options.env = 'nowhere'"),
    ],
)
def test_options_are_checked(options: Any, line: str):
    with pytest.raises(ConfigError, match=line):
        source(**options)


class Reacting:
    """Does not say that nothing hangs on actions."""

    name = "reacting"

    def make(self, task: Task) -> Tape:
        return Tape(".1")

    def cells(self) -> list[str]:
        return ["one"]

    def train(self, cell: str, seed: int) -> Task:
        return Task(env=self.name, theta=None, seed=seed)

    held_out = train


def test_a_source_that_may_react_is_refused():
    with pytest.raises(ConfigError, match=r"env.options.env = .*name one with passive = True"):
        source(env=f"{__name__}:Reacting", env_options={})
