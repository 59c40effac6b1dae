"""An ideal memory, worked by hand: what later questions still need, the values that hold, within the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memrl.contracts.capabilities import OracleMemory, able
from memrl.envs.memworld.author import Cast
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.memworld.events import Alias, AskLatest, AskPath, Assert, Contradict, Link, Retract, Update, Wait
from memrl.envs.memworld.ideal import brief_line, ideal_memory
from memrl.envs.memworld.presets import everything
from memrl.envs.memworld.program import Program, program_of, told_forward
from memrl.envs.memworld.theta import Theta

NOBODY = Cast(objects=(), carried=(), people=(), places=(), aliases=(), bystanders=(), spare_things=())


def words(text: str) -> int:
    return len(text.split())


def is_in(step: int, subject: str, value: str, kind: type[Assert] = Assert) -> Assert:
    return kind(step=step, wording=0, subject=subject, value=value, actor="Ana")


def asks(step: int, subject: str) -> AskLatest:
    return AskLatest(step=step, wording=0, subject=subject)


def program(*events) -> Program:
    return told_forward(Theta(horizon=len(events), objects=1, questions=1), 0, "train", NOBODY, events)


STORY = program(
    is_in(0, "lantern", "attic"),
    is_in(1, "rope", "barn"),
    Contradict(step=2, wording=0, subject="lantern", relation="location", value="cave"),
    asks(3, "lantern"),
    is_in(4, "lantern", "gym", Update),
    is_in(5, "vase", "tent"),
    asks(6, "rope"),
    asks(7, "lantern"),
)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, ("lantern: attic",)),
        (1, ("rope: barn", "lantern: attic")),
        (2, ("rope: barn", "lantern: attic")),  # hearsay is no fact
        (3, ("rope: barn",)),  # where the lantern was is asked no more
        (4, ("lantern: gym", "rope: barn")),
        (5, ("lantern: gym", "rope: barn")),  # nobody asks after the vase
        (6, ("lantern: gym",)),
        (7, ()),
    ],
)
def test_it_holds_what_later_questions_need_newest_first(step: int, expected: tuple[str, ...]):
    assert ideal_memory(STORY, step, 10, words) == expected


def test_the_budget_is_of_its_own_lines_at_every_step():
    assert words("lantern: attic") == 2
    held = [ideal_memory(STORY, step, 2, words) for step in range(8)]
    assert all(sum(map(words, lines)) <= 2 for lines in held)
    # One fact at a time: the lantern for its first question, then the lantern or the rope, of which one must give way.
    assert held[0] == ("lantern: attic",) and sum(map(len, held[4:6])) == 2


def test_a_fact_is_as_short_as_it_can_be():
    ana = Link(step=0, wording=0, subject="rope", relation="owner", value="Ana")
    assert brief_line(ana) == "rope owner: Ana" and brief_line(replace(ana, day=3)) == "day 3 rope owner: Ana"
    assert brief_line(Alias(step=0, wording=0, subject="rope", alias="relic")) == "relic: rope"
    gone = Retract(step=0, wording=0, subject="rope", value="barn")
    assert [brief_line(one) for one in (gone, Wait(step=0, wording=0), asks(0, "rope"))] == ["", "", ""]


def test_a_chain_is_held_whole():
    ana, ben = is_in(0, "Ana", "attic"), Link(step=1, wording=0, subject="rope", relation="carrier", value="Ana")
    path = AskPath(step=2, wording=0, subject="rope", relations=("carrier", "location"))
    assert ideal_memory(program(ana, ben, path), 1, 9, words) == ("rope carrier: Ana", "Ana: attic")


def test_the_task_source_says_so_for_every_observation_of_any_world():
    source = MemWorldTasks(everything())
    assert able(source, OracleMemory) is source
    task = source.train("base", 1)
    for step in range(len(program_of(task).events)):
        lines = source.ideal_memory(task, f"o{step}", 12, words)
        assert all(lines) and sum(map(words, lines)) <= 12
    assert source.ideal_memory(task, "o20", 12, words)
