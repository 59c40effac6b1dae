import numpy as np
import pytest

from memrl.envs.memworld import forward
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.memworld.events import AskLatest, Assert
from memrl.envs.memworld.presets import everything, path_world
from memrl.envs.memworld.program import program_of
from memrl.envs.memworld.theta import Theta
from memrl.envs.memworld.views import sample_views


def views_of(theta, tasks=30, count=10, budget_lines=4, seed=0):
    task_source, rng = MemWorldTasks(theta), np.random.default_rng(seed)
    return [
        (t, v) for i in range(tasks) for t in [task_source.task(i)] for v in sample_views(t, rng, count, budget_lines)
    ]


@pytest.mark.parametrize("theta", [Theta(), path_world(), everything()])
def test_a_view_has_up_to_its_number_of_lines(theta):
    for _, view in views_of(theta, tasks=8, budget_lines=3):
        assert 1 <= len(view.lines) <= 3


def test_most_views_hold_the_answer_and_some_do_not():
    views = [view for _, view in views_of(Theta())]
    unknown = sum(view.answer == "unknown" for view in views) / len(views)
    assert 0.02 < unknown < 0.1
    supported = sum(any(view.answer in line for line in view.lines) for view in views) / len(views)
    assert supported + unknown == pytest.approx(1.0)


def test_some_views_are_written_as_edges():
    lines = [line for _, view in views_of(path_world()) for line in view.lines]
    edges = [line for line in lines if not line.endswith(".")]
    assert 0.05 < len(edges) / len(lines) < 0.4
    assert all(" in " in edge or " carried by " in edge for edge in edges)


def test_an_old_value_in_view_stands_before_the_new_one_and_loses():
    met = 0
    for task, view in views_of(Theta(), budget_lines=6):
        program = program_of(task)
        steps = [program.texts.index(line) for line in view.lines if line in program.texts]
        query = next(q for q in program.queries if program.texts[q.step] == view.question)
        assert isinstance(query, AskLatest)
        told = [program.events[s] for s in steps]
        values = [e.value for e in told if isinstance(e, Assert) and e.subject == query.subject]
        if len(values) > 1 and len(steps) == len(view.lines) and steps == sorted(steps):
            met += 1
            assert view.answer == values[-1] == forward.answer(told, query)
    assert met > 10


def test_the_same_rng_gives_the_same_views():
    assert views_of(everything(), tasks=3, seed=5) == views_of(everything(), tasks=3, seed=5)


def test_a_view_needs_a_line():
    with pytest.raises(ValueError, match="budget_lines = 0"):
        sample_views(MemWorldTasks().task(0), np.random.default_rng(0), 1, 0)


@pytest.mark.parametrize("theta", [Theta(), path_world(), everything()])
def test_several_things_are_asked_over_one_view_and_each_has_one_answer(theta):
    asked: dict[tuple[str, ...], dict[str, str]] = {}
    lessons = [view for _, view in views_of(theta, tasks=20, count=12)]
    for lesson in lessons:
        known = asked.setdefault(lesson.lines, {}).setdefault(lesson.question, lesson.answer)
        assert known == lesson.answer
    assert len(lessons) == 240
    assert sum(len(questions) > 1 for questions in asked.values()) > len(asked) / 4


def test_over_one_view_nothing_is_asked_twice():
    program = program_of(MemWorldTasks().task(0))
    for seed in range(20):
        lessons = sample_views(MemWorldTasks().task(0), np.random.default_rng(seed), 4, 6)
        first = [lesson.question for lesson in lessons if lesson.lines == lessons[0].lines]
        subjects = [next(q.subject for q in program.queries if program.texts[q.step] == text) for text in first]
        assert len(set(subjects)) == len(subjects)
