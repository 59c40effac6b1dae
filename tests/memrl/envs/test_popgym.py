"""PopGym's RepeatFirst in words: same cards, same rewards, and a ground truth of what must be remembered."""

from __future__ import annotations

import pytest

pytest.importorskip("gymnasium")
pytest.importorskip("popgym")

from popgym.envs.repeat_first import RepeatFirst  # noqa: E402

from memrl.contracts.errors import ConfigError  # noqa: E402
from memrl.contracts.types import Choose, Say  # noqa: E402
from memrl.envs.popgym import SUITS, RepeatFirstOptions, RepeatFirstTasks  # noqa: E402
from memrl.testing import check_env  # noqa: E402


def test_the_kit_passes_with_exact_answers() -> None:
    check_env(RepeatFirstTasks(RepeatFirstOptions()))


@pytest.mark.parametrize("decks", [1, 2])
def test_cards_and_rewards_are_popgyms_own(decks: int) -> None:
    source = RepeatFirstTasks(RepeatFirstOptions(decks=decks))
    task, theirs = source.held_out(4), RepeatFirst(num_decks=decks)
    suit, _ = theirs.reset(seed=9)
    env = source.make(task)
    card, rewards, asked = env.start(), [], 0
    while card is not None:
        assert card.text == f"The card is {SUITS[suit]}." and not card.wants_action
        question = env.step(None).next
        assert question is not None and question.is_question and question.choices == SUITS
        action = asked % 4
        ours = env.step(Choose(action, SUITS[action]))
        suit, reward, terminated, _, _ = theirs.step(action)
        assert ours.reward == reward and ours.verdict.score == (reward > 0)
        assert (ours.next is None) == terminated
        card, asked = ours.next, asked + 1
        rewards.append(reward)
    assert asked == 52 * decks - 1 and len(set(rewards)) == 2


def test_what_is_no_suit_is_wrong() -> None:
    source = RepeatFirstTasks(RepeatFirstOptions())
    env = source.make(source.train("1 decks", 0))
    env.start()
    env.step(None)
    assert env.step(Say("bananas")).reward < 0


def test_the_reader_needs_the_first_card_and_no_other() -> None:
    source = RepeatFirstTasks(RepeatFirstOptions())
    for seed in range(8):
        task = source.train("1 decks", seed)
        first = source.make(task).start().text
        assert source.read(task, "q9", frozenset({"c0", "c5"})) in first
        assert source.read(task, "q9", frozenset({"c5"})) == "spades"
        assert source.blame(task, "q9", frozenset({"c5"})) == {"c0"} and not source.blame(task, "q9", frozenset({"c0"}))


def test_no_deck_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"env.options.decks = 0"):
        RepeatFirstOptions(decks=0)
