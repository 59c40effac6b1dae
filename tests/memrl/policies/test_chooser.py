"""The policy that scores choices: how it reads, what it promises, and that it learns names it has never met."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from kitchen import Kitchens

from memrl.advantages.credit import give_credit
from memrl.contracts.capabilities import Example
from memrl.contracts.config import PolicyConfig, WarmStartConfig
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.protocols import Brief, SampleRequest
from memrl.contracts.registry import make
from memrl.contracts.types import Choose, Observation, Task, ViewLine
from memrl.policies.choice_reading import (
    AROUND,
    BUCKETS,
    DONE,
    KINDS,
    LINE,
    NEAR,
    PART,
    REACH,
    SEEN,
    encode,
    read,
)
from memrl.policies.chooser import ChooserOptions, ChooserPolicy
from memrl.policies.pointer import word_id
from memrl.policies.promises import requests
from memrl.policies.warm_start import teach
from memrl.recipes import recipe
from memrl.rollouts.scheduler import play
from memrl.testing import check_policy
from memrl.training.batch import make_batch
from memrl.training.build import build
from memrl.training.warm_up import warm_up

LINES = ("Directions: dice the carrot; roast the potato.", "The table.\n> dice carrot with knife")
CHOICES = ("dice carrot with knife", "cook potato with oven", "wait")


def asked(lines: tuple[str, ...] = LINES, choices: tuple[str, ...] = CHOICES, **more: Any) -> SampleRequest:
    observation = Observation(id="o9", step=9, content="You see a potato.", wants_action=True, choices=choices)
    view = tuple(ViewLine(line, f"t{n}", "token", f"o{n}") for n, line in enumerate(lines))
    task = Task(env="toy", theta=None, seed=0)
    return SampleRequest(task=task, observation=observation, view=view, memory_hash="h", seed=0, **more)


def test_the_kit_passes() -> None:
    check_policy("chooser")
    check_policy("chooser", PolicyConfig(temperature=0.5, options={"width": 4, "hidden": 8}))


def test_texts_are_cut_into_clauses_and_own_commands_are_a_kind_of_their_own() -> None:
    ids = encode(asked(lines=LINES[1:], choices=("wait",), brief=Brief(header="Cook. Eat.")))
    words = [
        word_id(word)
        for word in [
            "cook",
            "eat",
            "the",
            "table",
            "dice",
            "carrot",
            "with",
            "knife",
            "you",
            "see",
            "a",
            "potato",
            "wait",
        ]
    ]
    marked = [1, words[0], PART, words[1], LINE, *words[2:4], DONE, *words[4:8], SEEN, *words[8:12], 7, words[12]]
    assert list(ids) == marked


def test_an_observation_does_not_pass_its_text_off_as_an_own_command() -> None:
    request = asked(choices=("wait",))
    forged = replace(request, observation=replace(request.observation, content="You see:\n> wait"), view=())
    assert DONE not in encode(forged)


def test_a_word_of_a_choice_meets_its_like_and_what_stands_around_it() -> None:
    reading = read(encode(asked()))
    assert reading.lengths.tolist() == [4, 4, 1]
    # dice, carrot: the recipe and the command; knife: the command; potato: the recipe and what is seen.
    assert reading.events_V3[:, 0].tolist() == [0] * 5 + [1] * 2
    kinds = reading.event_numbers[:, AROUND : AROUND + KINDS].argmax(1) + 1
    assert kinds.tolist() == [LINE, DONE, LINE, DONE, DONE, LINE, SEEN]
    flags = reading.event_numbers[:, :AROUND].astype(bool)
    # Around "carrot" in "dice the carrot" the choice has "dice", two words before, and "carrot" itself.
    assert np.flatnonzero(flags[2]).tolist() == [REACH - 2, REACH]
    assert np.flatnonzero(flags[3]).tolist() == [REACH - 1, REACH, REACH + 2], "dice, carrot, knife in the command"
    assert np.flatnonzero(flags[5]).tolist() == [REACH], "roast is no word of the choice"
    in_clause, whole, in_line, young, age = reading.event_numbers[:, AROUND + KINDS :].T
    assert in_clause.tolist() == pytest.approx([2 / 3, 1, 2 / 3, 1, 1, 1 / 3, 1 / 3]) and whole.sum() == 3
    assert in_line[0] == pytest.approx(2 / 3) and in_line[5] == pytest.approx(1 / 3)
    assert age.tolist() == pytest.approx([2 / 16, 1 / 16, 2 / 16, 1 / 16, 1 / 16, 2 / 16, 0])
    assert young.tolist() == pytest.approx([1 / 3, 1 / 2, 1 / 3, 1 / 2, 1 / 2, 1 / 3, 1])
    roast = reading.occurrences[reading.events_V3[5, 1]]
    assert roast[NEAR - 2] == word_id("roast") % BUCKETS and roast[NEAR + 1] == BUCKETS, "a clause ends there"
    said = reading.choice_numbers
    assert (
        said[0, 2:4].tolist() == [1.0, 0.5]
        and said[1, 2:4].tolist() == [0.0, 0.0]
        and said[2].tolist()[:5] == [0.0] * 5
    )
    assert [BUCKETS not in bag and len(bag) for bag in (reading.seen, reading.done)] == [4, 4]


def test_a_word_that_occurs_nowhere_else_and_an_empty_memory_can_be_read() -> None:
    policy = ChooserPolicy(ChooserOptions())
    [decision] = policy.sample([asked(lines=(), choices=("dance", "sing"))])
    assert isinstance(decision.action, Choose) and read(decision.prompt_ids).events_V3.shape == (0, 3)
    assert policy.sample([]) == []


def test_probabilities_are_the_softmax_of_scores_and_do_not_depend_on_company() -> None:
    policy = ChooserPolicy(ChooserOptions(), temperature=0.5)
    others = [asked(lines=LINES * 20), asked(choices=("wait", "go"))]
    rows = policy.answer_rows([asked(), *others], ["Cook potato with oven.", "wait", "go"])
    assert [action for _, action in rows] == [(1,), (2,), (1,)]
    with torch.no_grad():
        scores = policy.net([read(rows[0][0])])
        together, mask = policy.token_logprobs(rows)
    assert mask.all() and together.shape == (3, 1)
    assert together[0, 0].item() == pytest.approx((scores / 0.5).log_softmax(0)[1].item(), abs=1e-5)
    assert policy.answer_logprobs([asked()], ["cook potato with oven"]) == pytest.approx(
        [together[0, 0].item()], abs=1e-5
    )


def named(food: str) -> SampleRequest:
    """A choice between two foods of which one stands in the recipe."""
    return asked(lines=(f"Directions: dice the {food}.",), choices=(f"dice {food}", "dice turnip"))


def test_words_that_a_warm_start_did_not_show_are_one_word_where_some_were_unknown_in_it() -> None:
    apart, alike = ChooserPolicy(ChooserOptions()), ChooserPolicy(ChooserOptions(unknown=0.3))
    before = alike.answer_logprobs([named("kumquat"), named("persimmon")], ["dice kumquat", "dice persimmon"])
    assert before[0] != before[1], "who was never taught knows every word by its own vector"
    lessons = [Example(named(food), f"dice {food}") for food in ("carrot", "leek", "onion")]
    for policy in (apart, alike):
        teach(policy, lessons, WarmStartConfig(steps=5, batch_size=3, learning_rate=1e-3), seed=1)
        found = [policy.answer_logprobs([named(food)], [f"dice {food}"])[0] for food in ("kumquat", "persimmon")]
        assert (found[0] == found[1]) == (policy is alike) and not policy.net.training
        known = [policy.answer_logprobs([named(food)], [f"dice {food}"])[0] for food in ("carrot", "leek")]
        assert known[0] != known[1] and known[0] != found[0]
    [decision] = alike.sample([named("kumquat")])
    told, _ = alike.token_logprobs([(decision.prompt_ids, decision.action_ids)])
    assert told.item() == pytest.approx(decision.logprobs[0], abs=1e-6), "play and RL read alike: nothing is drawn"
    again = ChooserPolicy(ChooserOptions(unknown=0.3), seed=9)
    again.load_state_dict(alike.state_dict())
    assert again.answer_logprobs([named("kumquat")], ["dice kumquat"]) == alike.answer_logprobs(
        [named("kumquat")], ["dice kumquat"]
    )
    assert torch.equal(again.net.met, alike.net.met) and "met" not in apart.state_dict()["net"]


def test_a_warm_start_that_draws_words_is_the_same_twice() -> None:
    made = [ChooserPolicy(ChooserOptions(unknown=0.5)) for _ in range(2)]
    for policy in made:
        torch.rand(len(made))  # whatever was drawn before
        teach(policy, [Example(named("leek"), "dice leek")], WarmStartConfig(steps=5, batch_size=2), seed=3)
    first, second = (policy.state_dict()["net"] for policy in made)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("unknown", [1.0, -0.1, float("nan")])
def test_not_all_words_can_be_unknown(unknown: float) -> None:
    with pytest.raises(ConfigError, match=r"policy.options.unknown = .*: it must"):
        ChooserOptions(unknown=unknown)


def test_samples_follow_their_probabilities() -> None:
    policy = ChooserPolicy(ChooserOptions(), seed=2)
    with torch.no_grad():
        policy.net.score[2].weight.mul_(6)
    many = [replace(asked(), seed=seed) for seed in range(2000)]
    drawn = [one.action_ids[0] for one in policy.sample(many)]
    expected = np.exp(policy.answer_logprobs([asked()] * 3, list(CHOICES)))
    assert np.abs(np.bincount(drawn, minlength=3) / 2000 - expected).max() < 0.03 and expected.std() > 0.01
    [greedy] = policy.sample([replace(asked(), greedy=True)])
    assert greedy.action_ids[0] == expected.argmax()


def test_the_same_seed_makes_the_same_bytes() -> None:
    def state(seed: int) -> torch.Tensor:
        context = PolicyContext(config=PolicyConfig(name="chooser"), seed=seed, task_source=Kitchens())
        made = make("policy", "chooser", {}, "policy.name", context)
        return torch.cat([value.flatten() for value in made.state_dict()["net"].values()])

    before = torch.get_rng_state()
    assert torch.equal(state(1), state(1)) and not torch.equal(state(1), state(2))
    assert torch.equal(before, torch.get_rng_state()), "it draws from a generator of its own"


def test_it_is_told_where_nothing_can_be_chosen() -> None:
    policy = ChooserPolicy(ChooserOptions())
    line = r"policy\.name = 'chooser': env 'toy' asks for an action at observation 'o9' and offers no choices"
    with pytest.raises(ConfigError, match=line):
        policy.sample([asked(choices=())])
    with pytest.raises(ConfigError, match="a choice without a word"):
        policy.sample([asked(choices=("go", "…"))])
    with pytest.raises(InputError, match="cannot say 'dance', which is none of the choices"):
        policy.answer_rows([asked()], ["dance"])
    with pytest.raises(ConfigError, match=r"policy\.options\.width = 0"):
        ChooserOptions(width=0)


def test_manyof_the_kit_offer_choices_where_it_is_asked_for_them() -> None:
    assert all(one.observation.choices for one in requests(only_choices=True))


class Quiet:
    def progress(self, title: str, total: int) -> Any:
        return lambda: None

    def say(self, text: str) -> None:
        raise AssertionError(text)


def test_it_learns_from_walkthroughs_and_then_from_reward_what_holds_for_names_never_met() -> None:
    """Which direction of the cookbook is not yet done, and which tool "roast" asks for: a look-up in two steps."""
    config = recipe(
        "plain",
        env={"name": "kitchen:Kitchens"},
        policy={"name": "chooser"},
        memory={"token_budget": 200, "read_budget": 200, "embedder": "hash"},
        controller={"name": "window", "trained": False},
        warm_start={"steps": 200, "demonstrations": 60, "batch_size": 16, "learning_rate": 0.01},
        rollout={"tasks": 16, "group_size": 8},
        learner={"policy_learning_rate": 0.005},
    )
    agent, _, _, learner, _, _ = build(config)
    source = agent.task_source

    def success() -> float:
        held_out = [source.held_out(seed) for seed in range(60)]
        groups = play(agent, held_out, [7], tries=1, greedy=True)
        return float(np.mean([group.episodes[0].success for group in groups]))

    untrained = success()
    warm_up(agent, config, Quiet())
    warm = success()
    for step in range(10):
        tasks = [source.train("2", 16 * step + n) for n in range(16)]
        groups = play(agent, tasks, [config.seed, step, 0])
        learner.update(make_batch(give_credit(groups, config.credit, agent)))
    trained = success()
    assert untrained < 0.2 and warm > untrained + 0.2 and trained > warm + 0.03 and trained > 0.8
