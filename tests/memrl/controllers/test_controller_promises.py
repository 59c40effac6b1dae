"""The kit for controllers: all of ours keep its promises, and each kind of breach is told as a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memory_stores.types import Keep, Write
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Chooser, OpChoice
from memrl.contracts.registry import names
from memrl.contracts.types import Say
from memrl.controllers.guided import Guided
from memrl.controllers.overwrite import OverwriteMemory, OverwriteOptions
from memrl.controllers.ranked import MEASURES
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.testing import check_controller

TELL_STORIES = ("newest", "newest_dense", "dense_trusted")
OFFERS = {"worth": "worth", **dict.fromkeys((*MEASURES, *TELL_STORIES, "evidence"), "entries")}
"""Controllers that choose among other offers than "ops"."""


@pytest.mark.parametrize("name", names("controller"))
def test_ours_keep_their_promises(name: str):
    linker = "pattern" if name == "linker_rule" else "none"
    story = {"story": True} if name in TELL_STORIES else {}
    check_controller(name, draws=name == "random", offers=OFFERS.get(name, "ops"), linker=linker, offers_options=story)


def test_so_does_a_scorer_that_reads_entry_by_entry():
    prior = {"read_tokens_place": 3.0, "read_keep": -3.0}
    check_controller("scorer", {"width": 0, "hidden": 8, "prior": prior}, offers="entries")
    check_controller("scorer", {"width": 4, "hidden": 8}, offers="entries")
    told = {"story": True, "matches": 8}
    heads = {"width": 4, "hidden": 8, "query_heads": 2, "layer": 6}
    check_controller("scorer", heads, offers="entries", offers_options=told)


@pytest.mark.parametrize("name", MEASURES)
def test_what_reads_entry_by_entry_says_which_offers_it_needs(name: str):
    with pytest.raises(ConfigError, match=r"controller.offers = .*take offers 'entries'"):
        check_controller(name)


def test_so_does_a_scorer_with_all_its_options_and_one_under_rules():
    check_controller("scorer", {"subjects": True, "critic": True, "width": 4, "hidden": 8}, subjects=True)
    check_controller(lambda context: Guided(_scorer(context), list, 1.0))


def test_a_controller_that_always_draws_must_say_so():
    with pytest.raises(AssertionError, match="must not depend on the generator"):
        check_controller("random")


def _scorer(context: Any) -> Scorer:
    return Scorer(context.table, ScorerOptions(width=4, hidden=8), context.seed)


class Broken(Scorer):
    """A scorer, but for what a subclass breaks."""

    def __init__(self, context: Any) -> None:
        super().__init__(context.table, ScorerOptions(width=4, hidden=8), context.seed)


class Forgetful(Broken):
    def decide(self, requests):
        return super().decide(requests)[1:]


class Disordered(Broken):
    def choose(self, requests):
        return [OpChoice(0, 0.0) if i else OpChoice(1, 0.0) for i in range(len(requests))]


class Impostor(Broken):
    def decide(self, requests):
        return [replace(one, actor="somebody") for one in super().decide(requests)]


class Inventive(Broken):
    def decide(self, requests):
        return [replace(one, action=Write("made up")) for one in super().decide(requests)]


class OutOfRange(Broken):
    def decide(self, requests):
        return [replace(one, choice=99) for one in super().decide(requests)]


class Boastful(Broken):
    def choose(self, requests):
        return [OpChoice(one.index, 0.5) for one in super().choose(requests)]


class Moody(Chooser):
    def __init__(self, context: Any) -> None:
        self.rng = np.random.default_rng(0)

    def choose(self, requests):
        return [OpChoice(int(self.rng.integers(len(one.offers))), 0.0) for one in requests]


class Sociable(Chooser):
    def __init__(self, context: Any) -> None:
        """Nothing to make."""

    def choose(self, requests):
        return [OpChoice(int(len(requests) > 1), 0.0) for _ in requests]


class Meddling(Broken):
    def decide(self, requests):
        requests[0].memory.apply(Write("mine"))
        return super().decide(requests)


class Peeking(Broken):
    def choose(self, requests):
        return [OpChoice(min(one.task.seed, 1), 0.0) for one in requests]


class NeverGreedy(Broken):
    def choose(self, requests):
        return super().choose([replace(one, greedy=False) for one in requests])


class Timid(Broken):
    """Always takes the likeliest, and says truly how likely that is."""

    def choose(self, requests):
        return super().choose([replace(one, greedy=True) for one in requests])


class Understating(Broken):
    def choose(self, requests):
        return [OpChoice(one.index, one.logprob - 0.1) for one in super().choose(requests)]


class Detached(Broken):
    def logprobs(self, *arrays):
        logprobs, mask = super().logprobs(*arrays)
        loose = sum(weight.sum() * 0.0 for weight in self.parameters())
        return logprobs.detach() + loose, mask


class Stale(Broken):
    def bump(self):
        kept = self._cached
        super().bump()
        self._cached = kept


class Ageless(Broken):
    def bump(self):
        super().bump()
        self.version -= 1


class Amnesiac(Broken):
    def load_state_dict(self, state):
        self.version = state["version"]


class Newborn(Broken):
    def load_state_dict(self, state):
        super().load_state_dict({**state, "version": 0})


class Talkative(OverwriteMemory):
    def __init__(self, context: Any) -> None:
        super().__init__(context.policy, OverwriteOptions())

    def decide(self, requests):
        return [replace(one, action=Say("something")) for one in super().decide(requests)]


class Silent(OverwriteMemory):
    def __init__(self, context: Any) -> None:
        super().__init__(context.policy, OverwriteOptions())

    def decide(self, requests):
        return [replace(one, action=Keep(), logprobs=()) for one in super().decide(requests)]


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Forgetful, "one decision a request"),
        (Disordered, "alone and in any batch, in its request's place"),
        (Impostor, "by the request's actor"),
        (Inventive, "among the offers"),
        (OutOfRange, "among the offers"),
        (Boastful, "finite and at most 0, not 0.5"),
        (Moody, "same request with the same generator"),
        (Sociable, "alone and in any batch"),
        (Meddling, "leave memory as it is"),
        (Peeking, "must not look at the task"),
        (NeverGreedy, "greedy decision must not depend"),
        (Timid, "taken as often"),
        (Understating, "the log-probability of a choice must be what"),
        (Detached, "carry gradients"),
        (Stale, r"after bump\(\)"),
        (Ageless, r"bump\(\) must raise version by one"),
        (Amnesiac, r"loads another's state_dict\(\)"),
        (Newborn, "version must be part of the state"),
        (Talkative, "tokens must stand for MemoryOps, or be Unreadable; not a Say"),
        (Silent, "tokens must stand for MemoryOps, or be Unreadable; not a Keep"),
    ],
)
def test_a_broken_promise_is_told_as_a_sentence(broken: Any, sentence: str):
    with pytest.raises(AssertionError, match=sentence):
        check_controller(broken)
