import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memworld_samples import thetas

from memrl.envs.memworld import backward, forward, program
from memrl.envs.memworld.events import (
    Alias,
    AskCount,
    AskDay,
    AskLatest,
    AskPath,
    Assert,
    Contradict,
    Link,
    Retract,
    Unlink,
    Update,
)

LOG = (
    Assert(step=0, wording=0, day=1, subject="lamp", value="attic", actor="Zoe"),
    Assert(step=1, wording=0, day=1, subject="Ana", value="barn", actor="Zoe"),
    Link(step=2, wording=0, day=1, subject="coin", relation="carrier", value="Ana"),
    Link(step=3, wording=0, day=1, subject="Ana", relation="boss", value="Ben"),
    Alias(step=4, wording=0, day=2, subject="lamp", alias="gem"),
    Assert(step=5, wording=0, day=2, subject="Ben", value="cave", actor="Zoe"),
    Update(step=6, wording=0, day=2, subject="gem", value="barn", actor="Zoe"),
    Contradict(step=7, wording=0, day=2, subject="lamp", relation="location", value="tent"),
    Assert(step=8, wording=0, day=3, subject="drum", value="barn", actor="Zoe"),
    Link(step=9, wording=0, day=3, subject="coin", relation="carrier", value="Ben"),
    Retract(step=10, wording=0, day=4, subject="drum", value="barn"),
    Unlink(step=11, wording=0, day=4, subject="Ana", relation="boss", value="Ben"),
)


def _ask(kind, step=12, **fields):
    return kind(step=step, wording=0, day=4, **fields)


CASES = [
    (_ask(AskLatest, subject="lamp"), range(12), "barn"),
    (_ask(AskLatest, subject="gem"), range(12), "barn"),
    (_ask(AskLatest, subject="lamp"), (0, 4), "attic"),
    (_ask(AskLatest, subject="gem"), (0,), "unknown"),  # nothing seen says that the gem is the lamp
    (_ask(AskLatest, subject="lamp"), (0, 6), "attic"),
    (_ask(AskLatest, subject="lamp"), (7,), "unknown"),  # hearsay alone supports nothing
    (_ask(AskLatest, subject="drum"), range(12), "unknown"),
    (_ask(AskLatest, subject="drum"), (8,), "barn"),
    (_ask(AskLatest, subject="sword"), range(12), "unknown"),
    (_ask(AskLatest, subject="coin"), range(12), "unknown"),
    (_ask(AskDay, subject="lamp", asked_day=1), range(12), "attic"),
    (_ask(AskDay, subject="lamp", asked_day=3), range(12), "barn"),
    (_ask(AskDay, subject="drum", asked_day=2), range(12), "unknown"),
    (_ask(AskDay, subject="drum", asked_day=3), range(12), "barn"),
    (_ask(AskDay, subject="drum", asked_day=4), range(12), "unknown"),
    (_ask(AskPath, subject="coin", relations=("carrier",)), range(12), "Ben"),
    (_ask(AskPath, subject="coin", relations=("carrier",)), range(9), "Ana"),
    (_ask(AskPath, subject="coin", relations=("carrier", "location")), range(12), "cave"),
    (_ask(AskPath, subject="coin", relations=("carrier", "location")), (2, 9), "unknown"),
    (_ask(AskPath, subject="coin", relations=("carrier", "boss", "location")), range(9), "cave"),
    (_ask(AskPath, subject="coin", relations=("carrier", "boss", "location")), range(12), "unknown"),
    (_ask(AskCount, place="barn"), range(12), "one"),  # the lamp; Ana is no thing, the drum is gone
    (_ask(AskCount, place="barn"), range(10), "two"),
    (_ask(AskCount, place="attic"), range(12), "unknown"),
    (_ask(AskCount, place="attic"), (0, 6), "one"),
]


@pytest.mark.parametrize("tracker", [forward, backward])
@pytest.mark.parametrize(("query", "seen", "expected"), CASES)
def test_an_answer_worked_by_hand(tracker, query, seen, expected):
    assert tracker.answer([LOG[step] for step in seen], query) == expected


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        (_ask(AskLatest, subject="lamp"), {4, 6}),
        (_ask(AskLatest, subject="gem"), {6}),
        (_ask(AskDay, subject="gem", asked_day=1), {0, 4}),
        (_ask(AskPath, subject="coin", relations=("carrier", "location")), {5, 9}),
        (_ask(AskCount, step=10, place="barn"), {6, 8}),
        (_ask(AskLatest, subject="drum"), set()),
    ],
)
def test_the_support_of_an_answer_names_the_events_it_needs(query, steps):
    assert backward.BackwardSearch(LOG).ask(query).steps == steps


@given(theta=thetas(), seed=st.integers(0, 10**6), split=st.sampled_from(["train", "eval"]))
@settings(max_examples=200, deadline=None)
def test_both_trackers_agree_on_every_program_and_on_every_part_of_it(theta, seed, split):
    made = program.write_program(theta, seed, split)  # raises if they disagree on the whole
    rng = random.Random(seed)
    supports = backward.supports(made.events)
    for query in made.queries:
        part = made.told(rng.sample(range(theta.horizon), theta.horizon // 3), query.step)
        assert forward.answer(part, query) == backward.answer(part, query)
        needed = made.told(supports[query.step], query.step)
        assert forward.answer(needed, query) == made.answers[query.step]


def test_a_disagreement_of_the_trackers_is_an_error():
    assert program.agreed({4: "attic", 9: "barn"}, {9: "barn", 4: "attic"}) == {4: "attic", 9: "barn"}
    with pytest.raises(RuntimeError, match="disagree at step 9: 'barn' and 'tent'"):
        program.agreed({4: "attic", 9: "barn"}, {4: "attic", 9: "tent"})
    with pytest.raises(RuntimeError, match="disagree at step 9: 'barn' and None"):
        program.agreed({4: "attic", 9: "barn"}, {4: "attic"})
