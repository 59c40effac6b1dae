import re
import subprocess
import sys
from collections import Counter
from dataclasses import fields
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from memworld_samples import thetas

from memrl.envs.memworld import phrasings, phrasings_noise, presets
from memrl.envs.memworld.events import (
    QUERIES,
    UNKNOWN,
    Alias,
    AskAct,
    AskDay,
    AskLatest,
    Assert,
    Cancel,
    Contradict,
    Distract,
    Event,
    Link,
    Plan,
    Retract,
    Unlink,
    Update,
    Wait,
)
from memrl.envs.memworld.names import EVAL, NUMBERS, TRAIN, is_person
from memrl.envs.memworld.program import ProgramCache, write_program
from memrl.envs.memworld.render import allowed
from memrl.envs.memworld.theta import Theta

PRESETS = [presets.keep_four(), presets.path_world(), presets.everything(), presets.errands()]


def _tables():
    for module in (phrasings, phrasings_noise):
        for name, table in vars(module).items():
            if isinstance(table, tuple):
                yield name, table
            elif isinstance(table, dict) and name in ("LINK", "WHOSE"):
                yield from ((f"{name}.{key}", value) for key, value in table.items())


@pytest.mark.parametrize("theta", PRESETS)
def test_a_program_has_one_event_a_step_and_the_questions_asked_for(theta):
    program = write_program(theta, 3, "train")
    assert [event.step for event in program.events] == list(range(theta.horizon))
    assert len(program.texts) == theta.horizon
    assert len(program.queries) == theta.questions == len(program.answers)


def test_the_default_program_tells_four_facts_and_updates_them_evenly():
    for seed in range(20):
        events = write_program(Theta(), seed, "train").events
        kinds = Counter(type(event) for event in events)
        assert kinds[Assert] == 4
        assert 8 <= kinds[Update] <= 10
        assert kinds[Contradict] >= 2
        updates = [event.step for event in events if isinstance(event, Update)]
        assert max(b - a for a, b in pairwise(updates)) <= 16
        flavours = {event.flavour for event in events if isinstance(event, Distract)}
        assert flavours == {"chatter", "mention", "foreign"}


def test_no_question_of_the_default_comes_before_its_fact():
    for seed in range(50):
        program = write_program(Theta(), seed, "train")
        assert UNKNOWN not in program.answers.values()


def test_the_things_asked_for_are_named_by_many_other_lines():
    """So likeness to the question does not find the fact."""
    others = []
    for seed in range(40):
        program = write_program(Theta(), seed, "eval")
        for query in program.queries:
            assert isinstance(query, AskLatest)
            told = [text for text, e in zip(program.texts, program.events, strict=True) if e.step < query.step]
            told = [text for text in told if not text.endswith("?") and query.subject in re.findall(r"\w+", text)]
            others.append(len(told) - 1)
    assert sum(others) / len(others) > 3


def test_the_presets_hold_every_kind_of_event():
    kinds, acting = set(get_args(Event)), {Plan, Cancel, AskAct}
    for theta, expected in ((presets.everything(), kinds - acting), (presets.errands(), acting)):
        seen = {type(e) for seed in range(10) for e in write_program(theta, seed, "train").events}
        assert expected <= seen <= kinds and acting & seen == acting & expected


@given(theta=thetas())
@settings(max_examples=60, deadline=None)
def test_every_answer_is_one_word_of_the_world_or_a_command(theta):
    program = write_program(theta, 1, "eval")
    words = {*EVAL.places, *EVAL.people, *NUMBERS[1:], UNKNOWN}
    for query in program.queries:
        answer = program.answers[query.step]
        if isinstance(query, AskAct) and answer != UNKNOWN:
            take, thing, source, start, target, end = answer.split()
            assert (take, source, target) == ("take", "from", "to") and start != end
            assert thing in program.cast.objects and {start, end} <= set(program.cast.places)
        else:
            assert answer in words


def test_the_same_task_is_the_same_program_in_another_process():
    code = (
        "from memrl.envs.memworld.program import write_program; from memrl.envs.memworld.presets import everything;"
        "p = write_program(everything(), 7, 'train'); print(p.texts, sorted(p.answers.items()))"
    )
    here = write_program(presets.everything(), 7, "train")
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == f"{here.texts} {sorted(here.answers.items())}"


def test_seed_split_and_theta_each_change_the_program():
    base = write_program(Theta(), 0, "train").texts
    assert base != write_program(Theta(), 1, "train").texts
    assert base != write_program(Theta(), 0, "eval").texts
    assert base != write_program(Theta(delay=9), 0, "train").texts


def test_the_splits_share_no_name():
    for field in fields(TRAIN):
        assert not set(getattr(TRAIN, field.name)) & set(getattr(EVAL, field.name)), field.name
    for names in (TRAIN, EVAL):
        pools = [getattr(names, field.name) for field in fields(names)]
        assert len({name for pool in pools for name in pool}) == sum(map(len, pools))
        assert all(is_person(name) for name in names.people)
        assert not any(is_person(name) for name in (*names.objects, *names.places, *names.aliases))
    assert min(len(TRAIN.objects), len(TRAIN.places), len(TRAIN.people)) == 40
    assert min(len(EVAL.objects), len(EVAL.places), len(EVAL.people)) >= 16


@pytest.mark.parametrize(("name", "table"), _tables(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_quarter_of_the_phrasings_is_held_out(name, table):
    train, held_out = set(allowed(table, "train")), set(allowed(table, "eval"))
    assert len(train) == 3 * len(held_out)
    assert not train & held_out
    assert train | held_out == set(table)
    if not name.startswith(("ASK", "WHOSE", "DAY")):
        assert len(table) >= 12
    elif name.startswith("ASK"):
        assert len(table) >= 8


def test_no_word_of_a_phrasing_is_a_name():
    names = {n for names in (TRAIN, EVAL) for pool in ("objects", "places", "aliases") for n in getattr(names, pool)}
    for _, table in _tables():
        for phrasing in table:
            assert not names & set(phrasing.strip(".?").replace(",", "").split()), phrasing


@pytest.mark.parametrize("table", ["ASSERT_THING", "UPDATE_THING", "ASSERT_PERSON", "UPDATE_PERSON"])
def test_facts_are_short_and_the_place_is_not_always_last(table):
    phrases = [p.format(s="the hat", v="the barn", a="Ana") for p in getattr(phrasings, table)]
    assert all(8 <= len(p.split()) <= 13 for p in phrases)
    last = sum(p.endswith("barn.") for p in phrases)
    assert last < len(phrases) / 2
    for phrase in phrases:
        assert {"hat", "barn"} <= set(phrase.strip(".").replace(",", "").split())


def test_a_calendar_dates_every_told_line_and_no_question():
    program = write_program(presets.everything(), 0, "train")
    for event, text in zip(program.events, program.texts, strict=True):
        if not isinstance(event, (*QUERIES, AskDay)):
            assert f"ay {event.day}" in text.split(":")[0]
    assert [event.day for event in program.events] == sorted(event.day for event in program.events)
    assert (program.events[0].day, program.events[-1].day) == (1, 6)


def test_a_second_name_is_introduced_before_it_is_used():
    used = 0
    for seed in range(20):
        known = set()
        program = write_program(presets.everything(), seed, "train")
        aliases = {alias for _, alias in program.cast.aliases}
        for event, text in zip(program.events, program.texts, strict=True):
            if isinstance(event, Alias):
                known.add(event.alias)
            said = aliases & set(text.strip(".?").replace(",", "").replace(":", "").split())
            assert said <= known
            used += bool(said) and not isinstance(event, Alias)
    assert used > 20


def test_bystanders_are_in_no_fact():
    for theta in PRESETS:
        program = write_program(theta, 5, "train")
        facts = [e for e in program.events if isinstance(e, Assert | Link | Retract | Unlink)]
        named = {e.subject for e in facts} | {e.value for e in facts}
        assert not named & set(program.cast.bystanders)


def test_a_contradiction_is_false_when_it_is_said():
    for seed in range(20):
        holds = {}
        for event in write_program(Theta(contradict_rate=0.3), seed, "train").events:
            if isinstance(event, Assert):
                holds[event.subject] = event.value
            elif isinstance(event, Contradict):
                assert holds[event.subject] != event.value


def test_level_zero_and_full_wait_rate_leave_only_waiting():
    for theta in (Theta(distractor_level=0, contradict_rate=0.0), Theta(wait_rate=1.0, contradict_rate=0.0)):
        events = write_program(theta, 0, "train").events
        assert {type(e) for e in events} == {Assert, Update, AskLatest, Wait}


@pytest.mark.parametrize("horizon", [8, 48, 480])
def test_short_and_long_horizons_are_written(horizon):
    theta = Theta(horizon=horizon, objects=2, questions=3)
    assert len(write_program(theta, 0, "train").events) == horizon


def _calls(theta: Theta) -> int:
    """Python calls that writing the program makes: an operation counter that no busy machine disturbs."""
    count = 0

    def hook(frame, event, arg):
        nonlocal count
        count += event == "call"

    sys.setprofile(hook)
    try:
        write_program(theta, 0, "train")
    finally:
        sys.setprofile(None)
    return count


def test_writing_takes_time_linear_in_the_horizon():
    axes = {"objects": 4, "carried": 3, "people": 3, "hops": 2, "days": 5, "retract_rate": 0.05, "alias_rate": 0.5}
    asks = {"ask_day": 1.0, "ask_path": 1.0, "ask_count": 1.0, "unanswerable_rate": 0.1}
    small = _calls(Theta(horizon=1_250, questions=200, **axes, **asks))
    large = _calls(Theta(horizon=10_000, questions=1_600, **axes, **asks))
    assert large < 8.5 * small


def test_the_cache_keeps_recent_programs_up_to_its_steps():
    cache = ProgramCache(steps=100)
    first = cache.get(Theta(), 0, "train")
    assert cache.get(Theta(), 0, "train") is first
    cache.get(Theta(), 1, "train")
    assert cache.get(Theta(), 0, "train") is first
    cache.get(Theta(), 2, "train")  # 144 steps: seed 1, used longest ago, goes
    assert cache.get(Theta(), 0, "train") is first
    cache.get(Theta(), 3, "train")
    cache.get(Theta(), 4, "train")
    assert cache.get(Theta(), 0, "train") is not first
