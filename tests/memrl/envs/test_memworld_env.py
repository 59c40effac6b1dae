from dataclasses import asdict

import numpy as np
import pytest

from memory_stores.types import Keep
from memrl.contracts.errors import ConfigError
from memrl.contracts.types import Say, Task, ToolCall, Unreadable
from memrl.envs.memworld.env import UNTRUSTED, MemWorldTasks, normalise
from memrl.envs.memworld.events import Contradict
from memrl.envs.memworld.presets import errands, everything, path_world
from memrl.envs.memworld.program import program_of
from memrl.envs.memworld.theta import Theta
from memrl.testing import check_env


@pytest.mark.parametrize("theta", [Theta(), path_world(), everything(), errands()])
@pytest.mark.parametrize("split", ["train", "eval"])
def test_the_family_keeps_every_promise(theta, split):
    task_source = MemWorldTasks(theta)
    check_env(task_source, task_source.task(5, split))


def play(task, answer):
    """Every (observation, outcome); ``answer`` maps an observation to an action."""
    env = MemWorldTasks().make(task)
    observation, played = env.start(), []
    while observation is not None:
        outcome = env.step(answer(observation))
        played.append((observation, outcome))
        observation = outcome.next
    return played


def test_observations_are_numbered_and_hearsay_comes_through_a_channel_of_low_trust():
    task = MemWorldTasks().task(0)
    played = play(task, lambda observation: None)
    assert [o.id for o, _ in played] == [f"o{i}" for i in range(48)]
    for (observation, _), event in zip(played, program_of(task).events, strict=True):
        assert observation.trust == (UNTRUSTED if isinstance(event, Contradict) else 1.0)


def test_only_the_right_word_is_paid():
    task = MemWorldTasks().task(1)
    answers = program_of(task).answers
    right = play(task, lambda o: Say(f"The {answers[o.step].upper()}.\nBecause") if o.is_question else None)
    assert sum(outcome.reward for _, outcome in right) == 8.0
    for wrong in (None, Unreadable("attic"), ToolCall("answer"), Keep(), Say(""), Say("unknown")):
        assert sum(outcome.reward for _, outcome in play(task, lambda o, a=wrong: a)) == 0.0


def test_a_verdict_names_the_kind_of_question():
    task_source = MemWorldTasks(everything())
    categories = {
        outcome.verdict.category
        for seed in range(6)
        for _, outcome in play(task_source.task(seed), lambda o: None)
        if outcome.verdict is not None
    }
    assert categories == {"latest", "day", "path3", "count", "unanswerable"}


@pytest.mark.parametrize(
    ("said", "heard"),
    [("  The Attic. ", "attic"), ("attic\nIt was moved.", "attic"), ("", ""), ("an old barn!", "old barn")],
)
def test_answers_are_compared_without_case_punctuation_and_articles(said, heard):
    assert normalise(said) == heard


def test_an_env_is_played_once():
    env = MemWorldTasks().make(MemWorldTasks().task(0))
    with pytest.raises(RuntimeError, match="not started"):
        env.step(None)
    env.start()
    with pytest.raises(RuntimeError, match="once"):
        env.start()
    while env.step(None).next is not None:
        pass
    with pytest.raises(RuntimeError, match="is over"):
        env.step(None)


def test_the_reader_answers_from_what_was_seen_and_nothing_later():
    task_source = MemWorldTasks()
    task = task_source.task(3, "eval")
    program = program_of(task)
    query = program.queries[-1]
    everything_told = frozenset(f"o{i}" for i in range(48))
    assert task_source.read(task, f"o{query.step}", everything_told) == program.answers[query.step]
    assert task_source.read(task, f"o{query.step}", frozenset()) == "unknown"
    with pytest.raises(ValueError, match="asks nothing"):
        task_source.read(task, "o0", frozenset())


def test_bounds_and_plan_go_together():
    task_source = MemWorldTasks()
    task = task_source.held_out(0)
    bounds = task_source.bounds(task, 4, lambda text: 1)
    assert (bounds.ceiling, bounds.floor) == (1.0, pytest.approx(0.05))
    plan = task_source.plan(task, 4, lambda text: 1)
    program = program_of(task)
    for query in program.queries:
        held = frozenset(name for name, end in plan.items() if end >= query.step)
        assert task_source.read(task, f"o{query.step}", held) == program.answers[query.step]


def test_a_task_read_back_from_json_is_the_same_task():
    task_source = MemWorldTasks({"horizon": 60})
    task = task_source.held_out(4)
    again = Task(env="memworld", theta=asdict(task.theta), seed=4, split="eval")
    assert program_of(again) is program_of(task)
    assert task_source.texts(task) == program_of(task).texts


def test_a_family_refuses_what_is_no_theta():
    with pytest.raises(ConfigError, match=r"env\.options\.depth"):
        MemWorldTasks({"depth": 3})
    with pytest.raises(ConfigError, match=r"env\.options = 3"):
        program_of(Task(env="memworld", theta=3, seed=0))


def test_lessons_come_from_training_names_only():
    task_source = MemWorldTasks()
    lessons = task_source.reading_lessons(3, np.random.default_rng(0), 4)
    texts = set(program_of(task_source.task(3, "train")).texts)
    assert len(lessons) == 8
    assert all(lesson.question in texts for lesson in lessons)
