"""Not knowing is an answer: what it earns, what a wrong one costs, and what the honest reader says."""

from __future__ import annotations

import pytest

from memrl.contracts.capabilities import Bounded, EvidenceReader, Lessons, Misleads, Stretchable, able, is_passive
from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import make
from memrl.contracts.types import Say, Unreadable
from memrl.envs.abstaining import AbstainingOptions, AbstainingTasks
from memrl.testing import check_env

SHORT = {"horizon": 24, "objects": 3, "places": 6, "questions": 6, "delay": 3, "distractor_level": 1}


def source(env: str = "memworld", env_options=SHORT, **options) -> AbstainingTasks:
    return AbstainingTasks(AbstainingOptions(env=env, env_options=env_options, **options))


def first_question(tasks: AbstainingTasks, seed: int = 0):
    """The environment just before its first judged answer, the task, and the question."""
    task = tasks.held_out(seed)
    env = tasks.make(task)
    observation = env.start()
    while not observation.wants_action:
        observation = env.step(None).next
        assert observation is not None
    return env, task, observation


def test_it_keeps_the_promises_of_an_environment_and_passes_on_what_the_other_knows():
    check_env(make("env", "abstaining", {"env": "memworld", "env_options": SHORT}, "env.options"))
    tasks = source()
    assert all(able(tasks, one) for one in (EvidenceReader, Bounded, Lessons, Stretchable)) and is_passive(tasks)
    assert able(tasks, Misleads) is None
    attacked = source("poisoned", {"env": "memworld", "env_options": SHORT})
    assert able(attacked, Misleads) and able(attacked, Bounded) is None


@pytest.mark.parametrize(
    ("said", "wrong", "reward"),
    [
        ("right", -1.0, 1.0),
        ("unknown", -1.0, 0.0),
        (" I don't know. ", -1.0, 0.0),
        ("I DO NOT KNOW!", -0.5, 0.0),
        ("the moon", -1.0, -1.0),
        ("the moon", -0.25, -0.25),
        ("the moon", 0.0, 0.0),
        (None, -1.0, -1.0),
    ],
)
def test_right_earns_one_not_knowing_nothing_and_wrong_costs(said: str | None, wrong: float, reward: float):
    tasks = source(wrong=wrong)
    env, task, asked = first_question(tasks)
    right = tasks.read(task, asked.id, tasks.blame(task, asked.id, frozenset()))
    outcome = env.step(Unreadable("") if said is None else Say(right if said == "right" else said))
    assert outcome.reward == reward and outcome.verdict is not None
    assert outcome.verdict.score == float(said == "right")


def test_the_honest_reader_abstains_without_evidence_and_is_wrong_only_where_it_is_misled():
    tasks = source("poisoned", {"env": "memworld", "env_options": SHORT, "rate": 1.0})
    kinds = set()
    for seed in range(6):
        _, task, asked = first_question(tasks, seed)
        needed = tasks.blame(task, asked.id, frozenset())
        assert tasks.read(task, asked.id, frozenset()) == "unknown"
        if needed:
            right = tasks.read(task, asked.id, needed)
            planted = [f"planted{i}" for i in range(12) if tasks.misled(task, asked.id, frozenset({f"planted{i}"}))]
            for id in planted:
                assert tasks.read(task, asked.id, needed | {id}) not in (right, "unknown")
            kinds.add(bool(planted))
    assert True in kinds


def test_actors_are_told_what_to_say():
    tasks = source(words=("no idea", "unknown"))
    assert tasks.brief(tasks.held_out(0)).header.endswith("If you do not know, say: no idea.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wrong": 0.5}, "env.options.wrong"),
        ({"words": ()}, "env.options.words"),
        ({"words": ("?",)}, "env.options.words"),
    ],
)
def test_bad_options_are_one_line(options, message: str):
    with pytest.raises(ConfigError, match=message) as error:
        AbstainingOptions(env="memworld", **options)
    assert "\n" not in str(error.value)
