"""What the tracker reads in a failed episode, at each level of feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from toy import TASK, Taker, ToyTasks, toy_agent

from memory_stores.types import Forget, Keep, Overwrite, Write
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Episode, Group, Task
from memrl.reflectors.edits import edits_for
from memrl.reflectors.evidence import Evidence
from memrl.reflectors.tracker import Tracker
from memrl.rollouts.play import EpisodeContext, play_episode
from memrl.rollouts.scheduler import play_all

LANTERN, RAIN = "the lantern is here", "rain again all day"
QUESTION = "where is the lantern?"


NIGHT = (RAIN, "snow fell all night", LANTERN, QUESTION)


@dataclass
class Family(ToyTasks):
    """Every question rests on the observations ``wanted``."""

    wanted: tuple[str, ...] = ("o0",)

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset(self.wanted) - held


def played(story: Sequence[str], controller: Any, budget: int = 16) -> tuple[Episode, Agent]:
    agent = toy_agent(Family(story), controller, budget=budget, max_ops=1)
    context = EpisodeContext(agent=agent, task=TASK, memory=agent.new_memory(), rng=np.random.default_rng(0))
    return play_all([play_episode(context)], agent, 1)[0], agent


def resting_on(*wanted: str) -> Any:
    return Family(NIGHT, wanted=wanted)


def plain(offers: Any, index: int) -> bool:
    return False


@pytest.mark.parametrize("feedback", ["none", "binary", "diff"])
def test_a_fact_that_was_never_written_is_to_be_written(feedback: Any):
    episode, agent = played([LANTERN, RAIN, QUESTION], Taker())
    [edit] = edits_for(Evidence(episode, agent.task_source, feedback), 4, plain)
    assert edit.step == 0
    assert edit.decision.offers.ops[edit.better] == Write(LANTERN)


def test_a_fact_that_was_overwritten_is_to_be_left():
    episode, agent = played([LANTERN, RAIN, QUESTION], Taker(Write, Overwrite), budget=4)
    assert episode.success == 0.0
    edits = edits_for(Evidence(episode, agent.task_source, "diff"), 4, plain)
    assert [(e.step, e.decision.offers.ops[e.better]) for e in edits] == [(1, Keep())]


def test_the_diff_is_about_wrong_answers_and_what_was_not_in_view_alone():
    episode, agent = played([LANTERN, RAIN, QUESTION], Taker(Write))
    assert episode.success == 1.0
    assert Evidence(episode, agent.task_source, "diff").missing == []


def test_without_feedback_a_right_answer_is_suspect_too():
    episode, agent = played([LANTERN, "the lantern is gone", QUESTION], Taker(Write), budget=4)
    # Only the first sentence fits; by its words the question is about the second.
    assert episode.success == 1.0
    assert [m.source for m in Evidence(episode, agent.task_source, "none").missing] == [1]
    assert Evidence(episode, agent.task_source, "binary").missing == []


def test_of_entries_that_could_go_the_one_wanted_last_goes():
    episode, _ = played(NIGHT, Taker(Write), budget=8)
    edits = edits_for(Evidence(episode, resting_on("o0", "o2"), "diff"), 1, plain)
    [op] = [e.decision.offers.ops[e.better] for e in edits]
    second = episode.steps[1].decisions[0]
    # o0 is wanted again, the snow of o1 is not.
    assert isinstance(op, Overwrite) and (op.id,) == second.created  # pyright: ignore[reportAttributeAccessIssue]


def test_of_equals_what_is_plainly_of_no_use_goes_first():
    episode, _ = played(NIGHT, Taker(Write), budget=8)
    task_source = resting_on("o2")
    snow = episode.steps[1].decisions[0].created  # pyright: ignore[reportAttributeAccessIssue]
    of_no_use = lambda offers, i: getattr(offers.ops[i], "id", "") in snow  # noqa: E731
    edits = edits_for(Evidence(episode, task_source, "diff"), 1, of_no_use)
    assert edits[0].decision.offers.ops[edits[0].better] == Overwrite(snow[0], LANTERN)


def test_lessons_are_at_most_as_many_as_asked_for_and_unproven():
    episode, agent = played([LANTERN, RAIN, QUESTION], Taker(Write, Overwrite, Forget), budget=4)
    tracker = Tracker("diff", lambda offers, i: "a rule", plain, 1)
    [lesson] = tracker.reflect([Group(task=TASK, episodes=(episode,))], agent)
    assert (lesson.rule, lesson.gain, lesson.told) == ("a rule", 1.0, None)


def test_a_fact_that_came_in_keeps_its_place_where_another_entry_can_go():
    """The snow is never asked for, yet it is no reason to throw the lantern out: the rain goes instead."""
    story = (RAIN, LANTERN, "snow fell all night", QUESTION)
    episode, _ = played(story, Forgetful(), budget=8)
    task_source = Family(story, wanted=("o1",))
    rain, lantern = (episode.steps[t].decisions[0].created[0] for t in (0, 1))  # pyright: ignore
    assert episode.steps[2].decisions[0].action == Overwrite(lantern, story[2])
    evidence: Any = Evidence(episode, task_source, "diff")  # pyright: ignore
    facts = edits_for(evidence, 2, lambda offers, i: False)
    idle = edits_for(evidence, 2, lambda offers, i: True)
    assert [e.decision.offers.ops[e.better] for e in facts] == [Overwrite(rain, story[2]), Keep()]
    assert [e.decision.offers.ops[e.better] for e in idle] == [Keep(), Overwrite(rain, story[2])]


class Forgetful(Taker):
    """Writes what fits, and overwrites the newest entry with what does not."""

    def __init__(self) -> None:
        super().__init__(Write, Overwrite)

    def _pick(self, request: Any) -> int:
        ops = request.offers.ops
        written = [i for i, op in enumerate(ops) if isinstance(op, Write)]
        return (written or [i for i, op in enumerate(ops) if isinstance(op, Overwrite)])[-1]
