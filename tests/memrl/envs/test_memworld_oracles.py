from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memworld_samples import thetas

from memrl.envs.memworld import backward, oracles, presets
from memrl.envs.memworld.events import UNKNOWN, step_of
from memrl.envs.memworld.names import EVAL
from memrl.envs.memworld.program import write_program
from memrl.envs.memworld.theta import Theta


def words(text: str) -> int:
    return len(text.split())


def one(text: str) -> int:
    return 1


def most_held(program, plan, cost) -> int:
    ends = {step_of(name): end for name, end in plan.items()}
    held = [
        sum(cost(program.texts[start]) for start, end in ends.items() if start <= step <= end)
        for step in range(program.theta.horizon)
    ]
    return max(held, default=0)


@given(theta=thetas(), seed=st.integers(0, 1000), budget=st.integers(0, 80))
@settings(max_examples=60, deadline=None)
def test_a_plan_never_holds_more_than_its_budget(theta, seed, budget):
    program = write_program(theta, seed, "eval")
    plan = oracles.plan(program, budget, words)
    assert most_held(program, plan, words) <= budget
    assert all(step_of(name) < end for name, end in plan.items())


@given(theta=thetas(), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_with_room_for_everything_the_keeper_keeps_just_what_answers_need(theta, seed):
    program = write_program(theta, seed, "eval")
    plan = oracles.plan(program, 10**6, words)
    needed = set().union(*backward.supports(program.events).values())
    assert {step_of(name) for name in plan} == needed


def test_with_no_room_only_what_needs_nothing_is_right():
    program = write_program(Theta(unanswerable_rate=0.5), 2, "eval")
    scores = oracles.scores(program, 0, words)
    share = sum(answer == UNKNOWN for answer in program.answers.values()) / len(program.queries)
    assert 0 < share < 1
    assert (scores.unbounded, scores.keeper, scores.window) == (1.0, share, share)


def _best(program, budget: int) -> int:
    """Most questions that any choice serves, one sentence a slot, by trying them all."""
    supports = backward.supports(program.events)
    for size in range(len(supports), 0, -1):
        for chosen in combinations(supports, size):
            ends: dict[int, int] = {}
            for query in chosen:
                for step in supports[query]:
                    ends[step] = max(query, ends.get(step, 0))
            crowd = [sum(a <= t <= b for a, b in ends.items()) for t in range(program.theta.horizon)]
            if max(crowd, default=0) <= budget:
                return size
    return 0


def test_the_keeper_comes_close_to_the_best_of_all_choices():
    theta = Theta(horizon=40, objects=0, carried=4, people=4, hops=2, ask_latest=0.0, ask_path=1.0, update_rate=0.5)
    got = best = 0
    for seed in range(25):
        program = write_program(theta, seed, "train")
        got += round(oracles.keeper_score(program, 3, one) * theta.questions)
        best += _best(program, 3)
    assert 0.95 * best <= got <= best < 25 * theta.questions


def test_the_main_benchmark_is_open_to_a_good_keeper_and_closed_to_a_window():
    programs = [write_program(Theta(), seed, "eval") for seed in range(60)]
    scores = [oracles.scores(program, 4, one) for program in programs]
    mean = {name: sum(getattr(s, name) for s in scores) / 60 for name in ("unbounded", "keeper", "window", "blind")}
    assert mean["unbounded"] == 1.0
    assert mean["keeper"] >= 0.98
    assert 0.18 <= mean["window"] <= 0.32
    assert mean["blind"] == pytest.approx(1 / len(EVAL.places))


def test_the_path_world_needs_more_than_four_sentences():
    programs = [write_program(presets.path_world(), seed, "eval") for seed in range(40)]
    four = sum(oracles.keeper_score(program, 4, one) for program in programs) / 40
    eight = sum(oracles.keeper_score(program, 8, one) for program in programs) / 40
    assert four < 0.9
    assert eight == 1.0
    assert sum(oracles.window_score(program, 4, one) for program in programs) / 40 < 0.15


def test_a_blind_guesser_says_unknown_where_that_is_likeliest():
    program = write_program(Theta(unanswerable_rate=0.3), 1, "eval")
    unknown = sum(answer == UNKNOWN for answer in program.answers.values()) / len(program.queries)
    assert oracles.blind_score(program) == unknown


def test_a_blind_guesser_of_counts_says_one():
    program = write_program(Theta(objects=3, places=4, ask_latest=0.0, ask_count=1.0), 1, "eval")
    assert oracles.blind_score(program) == pytest.approx(0.75**2)  # both other things lie elsewhere


def test_a_longer_window_never_answers_less_of_the_newest_facts():
    program = write_program(Theta(), 4, "eval")
    scores = [oracles.window_score(program, lines, one) for lines in (0, 2, 4, 8, 48)]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (0.0, 1.0)
