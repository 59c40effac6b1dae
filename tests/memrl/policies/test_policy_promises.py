"""The kit for policies: all of ours keep its promises, and each kind of breach is told as a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from memrl.contracts.config import PolicyConfig
from memrl.contracts.types import Choose, Say
from memrl.policies.advised import Advised
from memrl.policies.oracle_reader import OracleReader
from memrl.policies.pointer import END, PointerOptions, PointerPolicy
from memrl.policies.scripted import ScriptedPolicy
from memrl.testing import check_policy

TINY = PolicyConfig(model="tiny", dtype="float32", lora_rank=4, max_new_tokens=4)


@pytest.mark.parametrize("config", [TINY, PolicyConfig(name="pointer"), PolicyConfig(name="pointer", temperature=0.7)])
def test_ours_keep_their_promises(config: PolicyConfig):
    check_policy(config.name, config)


def test_so_do_those_without_weights_and_one_under_rules():
    check_policy(lambda context: OracleReader({context.task_source.name: context.task_source}))
    check_policy(lambda context: ScriptedPolicy(lambda request: request.observation.text))
    check_policy(lambda context: Advised(Broken(context), lambda: ["look twice"]))


def test_a_script_that_is_read_on_is_no_function_of_its_request():
    with pytest.raises(AssertionError, match="the same request with the same seed"):
        check_policy(lambda context: ScriptedPolicy(["one", "two", "three"]))


class Broken(PointerPolicy):
    """A pointing policy, but for what a subclass breaks."""

    def __init__(self, context: Any) -> None:
        super().__init__(PointerOptions(), seed=context.seed, max_words=context.config.max_new_tokens)

    def changed(self, decision, request):
        return decision

    def sample(self, requests):
        return [self.changed(one, r) for one, r in zip(super().sample(requests), requests, strict=True)]


class Forgetful(Broken):
    def sample(self, requests):
        return super().sample(requests)[1:]


class Disordered(Broken):
    def sample(self, requests):
        told = super().sample(requests)
        return [replace(told[-1], actor="policy:kit"), *told[1:]]


class Impostor(Broken):
    def changed(self, decision, request):
        return replace(decision, actor="policy")


class Uncounted(Broken):
    def changed(self, decision, request):
        return replace(decision, logprobs=decision.logprobs[1:])


class Infinite(Broken):
    def changed(self, decision, request):
        return replace(decision, logprobs=tuple(-np.inf for _ in decision.logprobs))


class LongWinded(Broken):
    """Heeds the config and not the brief."""

    def _most(self, request):
        return self._max_words


class Chooses(Broken):
    def changed(self, decision, request):
        return replace(decision, action=Choose(5, "fly")) if request.observation.choices else decision


class Moody(Broken):
    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.calls = 0

    def sample(self, requests):
        self.calls += 1
        return super().sample([replace(one, seed=one.seed + self.calls) for one in requests])


class Sociable(Broken):
    def sample(self, requests):
        return super().sample([replace(one, seed=one.seed + len(requests)) for one in requests])


class NeverGreedy(Broken):
    def sample(self, requests):
        return super().sample([replace(one, greedy=False) for one in requests])


class Understating(Broken):
    def changed(self, decision, request):
        return replace(decision, logprobs=tuple(one - 0.1 for one in decision.logprobs))


class Detached(Broken):
    def token_logprobs(self, rows):
        logprobs, mask = super().token_logprobs(rows)
        return logprobs.detach() + sum(weight.sum() * 0.0 for weight in self.parameters()), mask


class Unmasked(Broken):
    def token_logprobs(self, rows):
        logprobs, mask = super().token_logprobs(rows)
        return logprobs, torch.ones_like(mask)


class Stale(Broken):
    """Answers greedy requests from what it said before, whatever its weights are now."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.kept: dict[str, Any] = {}

    def changed(self, decision, request):
        key = str((request.observation.text, request.brief, request.scratch))
        return self.kept.setdefault(key, decision) if request.greedy else decision


class Ageless(Broken):
    def bump(self):
        """Tells nobody."""


class Uprooted(Broken):
    """Keeps no reference."""

    def freeze_reference(self):
        self._first = self.net


class Stuck(Broken):
    def reference(self):
        self.net = self._first
        return super().reference()


class Amnesiac(Broken):
    def load_state_dict(self, state):
        self.version = state["version"]


class Newborn(Broken):
    def load_state_dict(self, state):
        super().load_state_dict({**state, "version": 0})


class Rootless(Broken):
    def load_state_dict(self, state):
        super().load_state_dict({**state, "reference": state["net"]})


class Rendered(Broken):
    """Has a renderer, which it does not heed."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.renderer = self

    prompt: Any = None
    stops: Any = (END,)

    def render(self, request):
        return type("Prompt", (), {"ids": self.prompt or self.encode(request), "stops": self.stops})

    def parse(self, ids, request):
        return next(one for one in super().sample([request]) if one.action_ids == ids).action


class OtherPrompt(Rendered):
    prompt = (1, 2, 3)


class OverRun(Rendered):
    def render(self, request):
        [told] = super(Broken, self).sample([request])
        return type("Prompt", (), {"ids": self.encode(request), "stops": told.action_ids[:1]})


class Unparsed(Rendered):
    def parse(self, ids, request):
        return Say("something else")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Forgetful, "one decision a request"),
        (Disordered, "in any batch, in its request's place"),
        (Impostor, "by the request's actor"),
        (Uncounted, "one log-probability a sampled token"),
        (Infinite, "finite and at most 0, not -inf"),
        (LongWinded, "an answer has . tokens and may have 2: max_new_tokens of the brief"),
        (Chooses, "where there are choices an action must be one of them"),
        (Moody, "the same request with the same seed"),
        (Sociable, "in any batch"),
        (NeverGreedy, "must not depend on the seed"),
        (Understating, "recomputed log-probabilities must be those that were sampled"),
        (Detached, "carry gradients"),
        (Unmasked, "mask what was not sampled"),
        (Stale, r"after bump\(\)"),
        (Ageless, r"bump\(\) must raise version by one"),
        (Uprooted, r"inside reference\(\)"),
        (Stuck, r"after reference\(\)"),
        (Amnesiac, r"loads another's state_dict\(\)"),
        (Newborn, "version must be part of the state"),
        (Rootless, "must be part of the state"),
        (OtherPrompt, "prompt_ids must be those that the renderer makes"),
        (OverRun, "nothing may be sampled after a token that stops"),
        (Unparsed, "what the renderer parses"),
    ],
)
def test_a_broken_promise_is_told_as_a_sentence(broken: Any, sentence: str):
    with pytest.raises(AssertionError, match=sentence):
        check_policy(broken)
