"""Typos and lower case, and that the axes of the surface go wherever a theta goes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from memrl.contracts.config_io import config_from_dict, config_to_dict
from memrl.envs.memworld import presets
from memrl.envs.memworld.bank import Bank
from memrl.envs.memworld.case import Limits
from memrl.envs.memworld.cells import ladder
from memrl.envs.memworld.described import theta_of
from memrl.envs.memworld.edits import edit_program, edit_theta, neighbours
from memrl.envs.memworld.env import MemWorldTasks
from memrl.envs.memworld.gates import judge
from memrl.envs.memworld.misspelling import misspelt
from memrl.envs.memworld.names import EVAL, TRAIN
from memrl.envs.memworld.program import program_of, write_program
from memrl.envs.memworld.signature import fingerprint, signature_of
from memrl.envs.memworld.space import MemWorldSpace
from memrl.envs.memworld.task_generator import MemWorldGenerator
from memrl.envs.memworld.task_json import program_from_json, program_to_json, task_from_json, task_to_json
from memrl.envs.memworld.theta import SURFACE, Theta
from memrl.envs.memworld.views import sample_views
from memrl.recipes import recipe

NOISY = replace(presets.natural(), typos=0.1, lower_case=0.25)
TEXT = "Somebody said that Ana took the lantern over to the barn before breakfast."


def surface(theta: Theta) -> tuple[object, ...]:
    return tuple(getattr(theta, name) for name in SURFACE)


def words(text: str) -> int:
    return len(text.split())


def pairs(rate: float, seeds: int = 400) -> list[tuple[str, str]]:
    """(word as it should be, as it is), of words of four letters or more."""
    names = frozenset({"lantern", "barn", "ana"})
    said = [misspelt(TEXT, rate, Random(seed), names) for seed in range(seeds)]
    assert all(len(text.split()) == len(TEXT.split()) for text in said)
    return [
        (right, wrong.strip("."))
        for text in said
        for right, wrong in zip(TEXT.strip(".").split(), text.split(), strict=True)
        if len(right) >= 4
    ]


def one_slip(right: str, wrong: str) -> bool:
    """Whether ``wrong`` has one letter doubled, dropped, changed or swapped, and not the first."""
    if len(wrong) == len(right) + 1:
        return any(wrong == right[:i] + right[i] + right[i:] for i in range(1, len(right)))
    if len(wrong) == len(right) - 1:
        return any(wrong == right[:i] + right[i + 1 :] for i in range(1, len(right)))
    apart = [i for i, (a, b) in enumerate(zip(right, wrong, strict=True)) if a != b]
    swapped = len(apart) == 2 and apart[1] == apart[0] + 1 and sorted(right) == sorted(wrong)
    return wrong[0] == right[0] and (len(apart) == 1 or swapped)


def test_a_typo_is_one_slip_and_never_in_a_name_or_a_short_word():
    seen = pairs(1.0)
    assert all(right == wrong for right, wrong in seen if right in ("lantern", "barn"))
    others = [(right, wrong) for right, wrong in seen if right not in ("lantern", "barn")]
    assert all(right != wrong and one_slip(right, wrong) for right, wrong in others)
    text = misspelt(TEXT, 1.0, Random(0), frozenset())
    assert {"Ana", "the", "to"} <= set(text.split())


def test_typos_come_at_their_rate():
    seen = [right != wrong for right, wrong in pairs(0.2) if right not in ("lantern", "barn")]
    assert len(seen) == 400 * 7
    assert sum(seen) / len(seen) == pytest.approx(0.2, abs=0.03)
    assert misspelt(TEXT, 0.0, Random(0), frozenset()) == TEXT


def test_no_slip_makes_a_name_of_a_word():
    """ "That" without its first t is none, "hats" without its s is a hat."""
    said = {misspelt("hats", 1.0, Random(seed), frozenset({"hat"})) for seed in range(200)}
    assert "hats" in said and "hat" not in said
    assert "hat" in {misspelt("hats", 1.0, Random(seed), frozenset()) for seed in range(200)}


def test_typos_in_a_program_leave_every_name_alone_and_come_at_their_rate():
    clean, noisy = (write_program(replace(NOISY, lower_case=0.0, typos=rate), 0, "eval") for rate in (0.0, 0.2))
    names = {
        name.lower() for pool in (TRAIN, EVAL) for each in (pool.objects, pool.places, pool.people) for name in each
    }
    wrong = right = 0
    for one, two in zip(clean.texts, noisy.texts, strict=True):
        for before, after in zip(re.findall(r"[A-Za-z]+", one), re.findall(r"[A-Za-z]+", two), strict=True):
            if before.lower() in names or len(before) < 4:
                assert before == after
            else:
                wrong, right = wrong + (before != after), right + (before == after)
    assert wrong / (wrong + right) == pytest.approx(0.2, abs=0.06)


def test_lower_case_is_a_share_of_the_texts_and_changes_case_only():
    plain = write_program(presets.natural(), 0, "train").texts
    assert write_program(replace(presets.natural(), lower_case=1.0), 0, "train").texts == tuple(map(str.lower, plain))
    small = [
        text == text.lower()
        for seed in range(30)
        for text in write_program(replace(presets.natural(), lower_case=0.3), seed, "train").texts
    ]
    assert sum(small) / len(small) == pytest.approx(0.3, abs=0.04)


def test_a_natural_task_comes_back_from_json_and_from_a_config():
    source = MemWorldTasks(NOISY)
    for split in ("train", "eval"):
        task = source.task(3, split)
        back = task_from_json(json.loads(json.dumps(task_to_json(task))))
        assert back == task and program_of(back).texts == program_of(task).texts
        program = program_of(task)
        data = json.loads(json.dumps(program_to_json(program)))
        assert program_from_json(data).texts == program.texts
    config = recipe("quickstart", env={"options": {name: getattr(NOISY, name) for name in SURFACE}})
    again = config_from_dict(json.loads(json.dumps(config_to_dict(config))))
    assert MemWorldTasks(again.env.options).theta == MemWorldTasks(config.env.options).theta == NOISY


def test_the_surface_stays_as_it_is_on_the_ladder_in_edits_and_in_the_space():
    assert {surface(theta) for theta in ladder(NOISY).values()} == {surface(NOISY)}
    assert {surface(theta) for theta in neighbours(NOISY)} == {surface(NOISY)}
    rng = np.random.default_rng(0)
    assert surface(edit_theta(NOISY, rng)) == surface(NOISY)
    space = MemWorldSpace(NOISY)
    assert space.task(space.base, 0).theta == NOISY
    generator = MemWorldGenerator(NOISY, Limits(), words)
    tasks = [generator.fresh(rng) for _ in range(10)]
    assert {surface(task.theta) for task in tasks} == {surface(NOISY)}
    edited = edit_program(program_of(tasks[0]), rng)
    assert tuple(edited["theta"]["train_styles"]) == NOISY.train_styles
    assert theta_of(program_of(tasks[0]).events).train_styles == ("plain",)


def test_a_natural_task_passes_the_gates_and_has_the_skills_of_the_plain_one():
    # Natural sentences are longer: the same four facts take more words than the plain ones do.
    accepted = 0
    for seed in range(6):
        task = MemWorldTasks(NOISY).task(seed)
        judged = judge(task, Bank(), Limits(budget=120), words)
        accepted += judged.accepted
        plain, said = write_program(Theta(), seed, "train"), program_of(task)
        assert fingerprint(plain) == fingerprint(said)
        assert signature_of(plain, 10**6, words) == signature_of(said, 10**6, words)
    assert accepted >= 5


def test_reading_lessons_show_the_texts_of_the_task():
    task = MemWorldTasks(NOISY).task(2)
    lessons = sample_views(task, np.random.default_rng(0), 20, 4)
    texts = set(program_of(task).texts)
    assert {line for lesson in lessons for line in lesson.lines} <= texts
    assert all(lesson.question in texts for lesson in lessons)
    supported = [lesson for lesson in lessons if lesson.answer != "unknown"]
    assert all(any(lesson.answer in line.lower() for line in lesson.lines) for lesson in supported)
