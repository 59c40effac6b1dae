"""Rules as data, in words, and as a bonus on offers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from memory_stores.types import Keep, Overwrite, Write
from memrl.contracts.protocols import Chooser, OpChoice
from memrl.contracts.types import OfferSet
from memrl.controllers.advice import Advice, advice_of, in_words, worthless
from memrl.controllers.guided import Guided
from memrl.controllers.offers import NUM_NUMBERS, NUMBER_NAMES


def offers(*lines: dict[str, float]) -> OfferSet:
    numbers = np.zeros((len(lines), NUM_NUMBERS), dtype=np.float32)
    numbers[:, NUMBER_NAMES.index("trust")] = numbers[:, NUMBER_NAMES.index("touched_trust")] = 1.0
    for row, line in zip(numbers, lines, strict=True):
        for name, value in line.items():
            row[NUMBER_NAMES.index(name)] = value
    ops = (Keep(), Write("x"), Overwrite("t1", "x"), Overwrite("t2", "x"))[: len(lines)]
    return OfferSet(ops=ops, rows=np.full((len(lines), 3), -1), numbers=numbers)


FOUR = offers(
    {"keep": 1, "states": 1},
    {"write": 1, "states": 1, "conflicts_held": 0.25},
    {"overwrite": 1, "states": 1, "conflict": 1, "touched_states": 1},
    {"overwrite": 1, "states": 1, "touched_states": 0},
)


def test_an_offer_becomes_a_rule_and_the_rule_finds_the_offer():
    for i in range(4):
        assert advice_of(FOUR, i).matches(FOUR).tolist() == [j == i for j in range(4)]


def test_a_rule_says_what_it_is_about():
    assert in_words(advice_of(FOUR, 2)) == (
        "Put the text in the place of an entry that speaks of the same, is up to date and states something when the "
        "text states something."
    )
    assert in_words(advice_of(FOUR, 1)) == (
        "Write the text down when memory speaks of the same and the text states something."
    )


def test_a_rule_comes_back_from_json():
    advice = advice_of(FOUR, 2)
    assert Advice.from_json(advice.to_json()) == advice


def test_an_entry_in_conflict_or_without_a_statement_is_plainly_of_no_use():
    plain = offers({"overwrite": 1, "touched_states": 1}, {"overwrite": 1, "touched_states": 1, "superseded": 1})
    assert [worthless(FOUR, 2), worthless(FOUR, 3)] == [True, True]
    idle = offers({"keep": 1, "states": 0})
    assert [worthless(FOUR, 0), worthless(idle, 0)] == [False, True], "Keep gives up the text"
    assert [worthless(plain, 0), worthless(plain, 1)] == [False, True]


class Even(Chooser):
    """Finds all offers equally likely."""

    version = 3

    def offer_logprobs(self, requests: Any) -> list[Any]:
        return [np.full(len(r.offers.ops), -np.log(len(r.offers.ops)), dtype=np.float32) for r in requests]

    def choose(self, requests: Any) -> list[OpChoice]:
        return [OpChoice(0, -1.0) for _ in requests]

    def state_dict(self) -> dict[str, Any]:
        return {"inner": 1}


def test_a_standing_rule_adds_its_bonus_and_the_recorded_logprob_is_of_what_was_sampled():
    request = SimpleNamespace(offers=FOUR, greedy=True, rng=None)
    guided = Guided(Even(), lambda: [advice_of(FOUR, 3)], np.log(5.0))  # pyright: ignore[reportArgumentType]
    [choice] = guided.choose([request])  # pyright: ignore[reportArgumentType]
    # Odds 1:1:1:5.
    assert choice.index == 3
    assert choice.logprob == pytest.approx(np.log(5 / 8))


def test_without_rules_it_is_the_controller_itself_and_so_is_its_state():
    guided = Guided(Even(), list, 2.0)  # pyright: ignore[reportArgumentType]
    assert guided.choose([SimpleNamespace(offers=FOUR)]) == [OpChoice(0, -1.0)]  # pyright: ignore[reportArgumentType]
    assert (guided.version, guided.state_dict()) == (3, {"inner": 1})
