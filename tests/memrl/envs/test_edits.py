import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memworld_samples import thetas

from memrl.envs.memworld import presets
from memrl.envs.memworld.bank import Bank
from memrl.envs.memworld.edits import (
    LEVELS,
    ask_later,
    delete_event,
    duplicate_event,
    edit_program,
    edit_theta,
    insert_event,
    neighbours,
)
from memrl.envs.memworld.gates import GATES, Limits, judge
from memrl.envs.memworld.program import program_of, write_program
from memrl.envs.memworld.task_json import program_to_json
from memrl.envs.memworld.theta import PLANNED, Theta

PRESETS = [presets.keep_four(), presets.path_world(), presets.everything(), presets.errands()]


def words(text: str) -> int:
    return len(text.split())


def axes_that_differ(one: Theta, two: Theta) -> list[str]:
    return [name for name in LEVELS if getattr(one, name) != getattr(two, name)]


@given(theta=thetas(), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_an_edited_theta_is_legal_and_differs_on_one_axis_by_one_level(theta, seed):
    other = edit_theta(theta, np.random.default_rng(seed))
    (name,) = axes_that_differ(theta, other)
    low, high = sorted((getattr(theta, name), getattr(other, name)))
    assert not [level for level in LEVELS[name] if low < level < high]
    assert getattr(other, name) in LEVELS[name]


def test_neighbours_keep_what_axes_must_obey_together():
    theta = Theta(horizon=12, objects=4, questions=8, delay=0)
    changed = {(name, getattr(other, name)) for other in neighbours(theta) for name in axes_that_differ(theta, other)}
    assert ("objects", 3) in changed
    assert ("objects", 6) not in changed  # 6 facts and 8 questions take 14 steps
    assert ("horizon", 8) not in changed
    assert ("horizon", 16) in changed
    assert ("carried", 1) not in changed  # nobody carries
    assert ("ask_latest", 0.0) not in changed  # nothing else is asked


def test_a_walk_over_thetas_reaches_every_axis():
    planned = replace(presets.everything(), plans=4, ask_act=2.0, horizon=128)
    for start, axes in ((presets.everything(), set(LEVELS) - set(PLANNED)), (planned, set(LEVELS))):
        rng, theta, moved = np.random.default_rng(0), start, set()
        for _ in range(400):
            other = edit_theta(theta, rng)
            moved.update(axes_that_differ(theta, other))
            theta = other
        assert moved == axes


def test_the_same_generator_makes_the_same_edit():
    program = write_program(presets.everything(), 0, "train")
    for seed in range(5):
        one, two = (edit_program(program, np.random.default_rng(seed)) for _ in range(2))
        assert one == two


@pytest.mark.parametrize(("edit", "change"), [(insert_event, 1), (delete_event, -1), (duplicate_event, 1)])
def test_an_edit_inserts_or_deletes_one_event(edit, change):
    before = program_to_json(write_program(presets.everything(), 0, "train"))["events"]
    for seed in range(20):
        after = [dict(event) for event in before]
        edit(after, np.random.default_rng(seed))
        assert len(after) == len(before) + change
        longer, shorter = (after, before) if change > 0 else (before, after)
        assert any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def test_a_question_moves_later_past_what_was_between():
    before = program_to_json(write_program(presets.keep_four(), 0, "train"))["events"]
    after = [dict(event) for event in before]
    ask_later(after, np.random.default_rng(1))
    assert sorted(event["kind"] for event in after) == sorted(event["kind"] for event in before)
    first = next(i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    assert before[first]["kind"] == "ask_latest"
    assert after[first] == before[first + 1]
    assert len(after) == len(before)


def test_a_world_with_no_question_left_to_move_stays_as_it_is():
    events = [{"kind": "wait", "day": 0, "wording": 1}, {"kind": "ask_latest", "subject": "map", "day": 0}]
    before = [dict(event) for event in events]
    ask_later(events, np.random.default_rng(0))
    assert events == before


def test_a_bare_world_gets_a_pause():
    events = [{"kind": "wait", "day": 2, "wording": 1}]
    insert_event(events, np.random.default_rng(0))
    assert [event["kind"] for event in events] == ["wait", "wait"]
    assert events[1]["day"] == 2


@pytest.mark.parametrize("theta", PRESETS)
def test_an_edit_never_changes_its_parent_and_is_judged_without_an_error(theta):
    rng, verdicts = np.random.default_rng(0), []
    for seed in range(30):
        program = write_program(theta, seed, "train")
        before = json.dumps(program_to_json(program))
        data = edit_program(program, rng)
        assert json.dumps(program_to_json(program)) == before
        judgement = judge(data, Bank(), Limits(), words)
        verdicts.append(judgement.gate)
        if judgement.accepted:
            assert judgement.task is not None
            assert len(program_of(judgement.task).events) == len(data["events"])
    assert set(verdicts) <= {"", *GATES}
    assert verdicts.count("") >= 10


def test_edits_may_go_wrong_and_are_caught():
    """Deleting until nothing is asked leaves what gate 1 turns away."""
    theta = Theta(horizon=4, objects=2, questions=1, delay=0, places=4)
    rng = np.random.default_rng(0)
    found = {
        judge(edit_program(write_program(theta, s, "train"), rng), Bank(), Limits(), words).gate for s in range(60)
    }
    assert "schema" in found
    assert "" in found
