"""What any policy promises, looked at over a handful of requests.

The promises are the sentences of ``Sampler``, ``Renderer`` and ``TrainablePolicy`` in ``memrl/contracts/protocols.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from memrl.contracts.calls import Calls, Head
from memrl.contracts.config import PolicyConfig
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.kept_state import problem_of_state
from memrl.contracts.promised import TRAINABLE, in_a_sentence, wrong_with
from memrl.contracts.protocols import Brief, Env, Policy, SampleRequest
from memrl.contracts.registry import make as make_part
from memrl.contracts.types import Choose, Observation, Say, Task, TokenDecision, Unreadable, ViewLine

Make = Callable[[PolicyContext], Any]
"""What makes a ``Policy``."""

TASK = Task(env="promises", theta=None, seed=0)
LINES = ("The lantern hangs in the attic.", "The kettle stands in the cellar.", "Rain fell on the old mill.")
SHORT = 2
"""Tokens that the brief of one request allows."""
SEEDS = 2


def check_policy(policy: str | Make, config: PolicyConfig | None = None, *, tolerance: float = 1e-3) -> None:
    """Ask a policy for answers, twice, in other company, after its weights changed, and look at each.

    Args:
        policy: its name, or what makes one from a ``PolicyContext``; it is made twice, alike.
        config: what it is made with; its ``max_new_tokens`` must hold.
        tolerance: between log-probabilities that should be the same; wider for weights in bfloat16.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    knobs = config or PolicyConfig()

    def make() -> Policy:
        context = PolicyContext(config=knobs, seed=0, task_source=_Source())
        if isinstance(policy, str):
            return make_part("policy", policy, knobs.options, "policy.name", context)
        return policy(context)

    with in_a_sentence("the policy"):
        _check(make, knobs, tolerance)


def _check(make: Callable[[], Policy], knobs: PolicyConfig, tolerance: float) -> None:
    first, second = make(), make()
    has = {name: callable(getattr(first, name, None)) for name in TRAINABLE}
    learns = has["parameters"] and has["token_logprobs"]
    lacks = [name for name, there in has.items() if not there]
    assert not lacks or not has["parameters"], f"a policy with parameters() to train must have {', '.join(lacks)} too"
    _check_answers(first, knobs)
    _check_company(first, tolerance)
    if learns:
        _check_recorded(first, tolerance, "recomputed log-probabilities must be those that were sampled")
        _check_weights(first, tolerance)
    if getattr(first, "takes_calls", False):
        _check_calls(first, tolerance)
    _check_state(first, second)
    if learns:
        _check_reference(first, second, tolerance)


CHOICES = ("go north", "take the lantern from the attic", "wait")


def requests(seed: int = 0, greedy: bool = False, only_choices: bool = False) -> list[SampleRequest]:
    """One of each kind: a question over two lines, a short one, one with a thought, a choice, an empty view.

    Args:
        only_choices: every one offers choices.
    """
    question = _asked("Where is the lantern?", *LINES[:2])
    made = [
        question,
        replace(question, brief=Brief(header="Answer in a word.", max_new_tokens=SHORT)),
        replace(_asked("Where is the kettle now?", *LINES), scratch=("It stands somewhere.",)),
        _asked("Which way?", *LINES[2:], choices=("go north", "wait")),
        _asked("Who slept?"),
    ]
    if only_choices:
        made = [
            replace(one, observation=replace(one.observation, choices=CHOICES[: 2 + n % 2]))
            for n, one in enumerate(made)
        ]
    return [replace(one, seed=1000 * seed + n, greedy=greedy) for n, one in enumerate(made)]


def _requests(policy: Any, seed: int = 0, greedy: bool = False) -> list[SampleRequest]:
    """Requests of the kind that the policy takes."""
    return requests(seed, greedy, bool(getattr(policy, "only_choices", False)))


def _asked(text: str, *lines: str, choices: tuple[str, ...] = ()) -> SampleRequest:
    observation = Observation(id="o9", step=9, content=text, wants_action=True, writable=False, choices=choices)
    view = tuple(ViewLine(line, f"t{n}", "token", f"o{n}") for n, line in enumerate(lines))
    return SampleRequest(task=TASK, observation=observation, view=view, memory_hash="kit", seed=0, actor="policy:kit")


def _check_answers(policy: Policy, config: PolicyConfig) -> None:
    assert isinstance(policy.version, int), "version must be a whole number"
    renderer = getattr(policy, "renderer", None)
    for seed in range(SEEDS):
        for greedy in (False, True):
            asked = _requests(policy, seed, greedy)
            for request, decision in zip(asked, _sampled(policy, asked), strict=True):
                _check_answer(request, decision, config)
                assert (wrong := wrong_with(decision, request)) is None, wrong
                if renderer is not None:
                    _check_rendered(renderer, request, decision)
    if (count := getattr(policy, "count_tokens", None)) is not None:
        counts = [count(line) for line in LINES]
        assert all(isinstance(one, int) and one > 0 for one in counts), "count_tokens must give a whole number above 0"


def _check_answer(request: SampleRequest, decision: TokenDecision, config: PolicyConfig) -> None:
    assert decision.actor == request.actor, "a decision must be by the request's actor"
    assert decision.memory_hash == request.memory_hash, "a decision must carry the hash of its request's memory"
    assert len(decision.logprobs) == len(decision.action_ids), "there must be one log-probability a sampled token"
    for one in decision.logprobs:
        assert isfinite(one) and one <= 1e-5, f"a log-probability must be finite and at most 0, not {one}"
    most = config.max_new_tokens if request.brief.max_new_tokens is None else request.brief.max_new_tokens
    count = len(decision.action_ids)
    assert count <= most, (
        f"an answer has {count} tokens and may have {most}: max_new_tokens of the brief, or the config"
    )
    choices, action = request.observation.choices, decision.action
    if choices and decision.action_ids and not isinstance(action, Unreadable):
        fits = isinstance(action, Choose) and action.index < len(choices) and choices[action.index] == action.text
        assert fits, f"where there are choices an action must be one of them, or Unreadable; not {action}"


def _check_rendered(renderer: Any, request: SampleRequest, decision: TokenDecision) -> None:
    prompt = renderer.render(request)
    assert decision.prompt_ids == prompt.ids, "prompt_ids must be those that the renderer makes of the request"
    early = [token for token in decision.action_ids[:-1] if token in prompt.stops]
    assert not early, "nothing may be sampled after a token that stops"
    parsed = renderer.parse(decision.action_ids, request)
    assert decision.action == parsed, "the action must be what the renderer parses of the sampled tokens"


def _check_company(policy: Policy, tolerance: float) -> None:
    for seed in range(SEEDS):
        told = _sampled(policy, _requests(policy, seed))
        again = _sampled(policy, _requests(policy, seed))
        assert _same(told, again, tolerance), "the same request with the same seed must get the same answer"
        turned = _sampled(policy, _requests(policy, seed)[::-1])[::-1]
        alone = [_sampled(policy, [request])[0] for request in _requests(policy, seed)]
        assert _same(told, turned, tolerance) and _same(told, alone, tolerance), (
            "an answer must be the same alone and in any batch, in its request's place"
        )
    greedy = [_sampled(policy, _requests(policy, seed, greedy=True)) for seed in range(SEEDS)]
    assert all(_same(greedy[0], one, tolerance) for one in greedy), "a greedy answer must not depend on the seed"


def _check_weights(policy: Any, tolerance: float) -> None:
    import torch

    rows = _rows(_sampled(policy, _requests(policy)))
    before_RA, mask_RA = policy.token_logprobs(rows)
    moved = torch.autograd.grad(before_RA[mask_RA].sum(), list(policy.parameters()), allow_unused=True)
    assert any(one is not None and one.abs().max() > 0 for one in moved), (
        "token_logprobs must carry gradients to parameters()"
    )
    policy.freeze_reference()
    version, generator = policy.version, torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_((0.3 * torch.randn(weight.shape, generator=generator)).to(weight))
    policy.bump()
    assert policy.version == version + 1, "bump() must raise version by one"
    _check_recorded(policy, tolerance, "after bump() answers must come from the weights as they are now")
    with torch.no_grad():
        now_RA = policy.token_logprobs(rows)[0].clone()
        with policy.reference():
            then_RA = policy.token_logprobs(rows)[0].clone()
        again_RA = policy.token_logprobs(rows)[0]
    assert torch.allclose(then_RA, before_RA, atol=tolerance), (
        "inside reference() the weights must be those that freeze_reference() kept"
    )
    assert torch.allclose(now_RA, again_RA, atol=tolerance), "after reference() the weights must be the present ones"


def _check_recorded(policy: Any, tolerance: float, promise: str) -> None:
    for greedy in (False, True):
        decisions = [one for one in _sampled(policy, _requests(policy, 3, greedy)) if one.action_ids]
        logprobs_RA, mask_RA = policy.token_logprobs(_rows(decisions))
        assert mask_RA.sum(1).tolist() == [len(one.action_ids) for one in decisions], (
            "token_logprobs must mask what was not sampled, and only that"
        )
        for line, mask, decision in zip(logprobs_RA, mask_RA, decisions, strict=True):
            told = line[mask].detach().float().cpu().numpy()
            assert np.allclose(told, decision.logprobs, atol=tolerance), promise


CALLS = Calls(heads=(Head(text="say", takes_text=True), Head(text="wait", alone=True)), max_tokens=16)


def _check_calls(policy: Any, tolerance: float) -> None:
    """Of one that samples under calls: it says nothing else, and recomputes the same."""
    brief = Brief(header="You may say what is where, then more, or wait.", max_new_tokens=CALLS.max_tokens)
    asked = [
        replace(one, brief=brief, calls=CALLS, observation=replace(one.observation, choices=()))
        for seed in range(SEEDS)
        for one in _requests(policy, seed)
    ]
    told = _sampled(policy, asked)
    for one in told:
        first = one.action.text.split()[0] if isinstance(one.action, Say) else ""
        assert one.calls == CALLS and first in ("say", "wait"), (
            f"under calls nothing else may be said, and the decision must carry them; not {one.action}"
        )
    logprobs_RA, mask_RA = policy.call_logprobs(_rows(told), [one.calls for one in told])
    for line, mask, one in zip(logprobs_RA, mask_RA, told, strict=True):
        assert np.allclose(line[mask].detach().float().cpu().numpy(), one.logprobs, atol=tolerance), (
            "call_logprobs must be those that were sampled under calls"
        )


def _check_state(first: Policy, second: Policy) -> None:
    assert (wrong := problem_of_state(first.state_dict())) is None, wrong
    second.load_state_dict(first.state_dict())
    assert second.version == first.version, "version must be part of the state"
    for greedy in (False, True):
        told, other = (_sampled(one, _requests(first, 1, greedy)) for one in (first, second))
        assert _same(told, other, 1e-6), "a policy that loads another's state_dict() must answer as that one does"


def _check_reference(first: Any, second: Any, tolerance: float) -> None:
    import torch

    rows = _rows(_sampled(first, _requests(first)))
    with torch.no_grad(), first.reference(), second.reference():
        one, other = first.token_logprobs(rows)[0], second.token_logprobs(rows)[0]
    assert torch.allclose(one, other, atol=tolerance), "what freeze_reference() kept must be part of the state"


def _sampled(policy: Policy, asked: Sequence[SampleRequest]) -> list[TokenDecision]:
    decisions = policy.sample(asked)
    assert isinstance(decisions, Sequence), f"sample() must give a list of decisions, not a {type(decisions).__name__}"
    assert len(decisions) == len(asked), "sample() must give one decision a request"
    assert all(isinstance(one, TokenDecision) for one in decisions), "sample() must decide in tokens (TokenDecision)"
    return list(decisions)


def _rows(decisions: Sequence[TokenDecision]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(one.prompt_ids, one.action_ids) for one in decisions if one.action_ids]


def _same(some: Sequence[TokenDecision], others: Sequence[TokenDecision], tolerance: float) -> bool:
    return all(
        (one.action, one.prompt_ids, one.action_ids) == (other.action, other.prompt_ids, other.action_ids)
        and np.allclose(one.logprobs, other.logprobs, atol=tolerance)
        for one, other in zip(some, others, strict=True)
    )


class _Source:
    """For a policy that asks its task source."""

    name, passive = TASK.env, True

    def make(self, task: Task) -> Env:
        raise NotImplementedError("the kit for policies plays no task: it asks the policy alone")

    def cells(self) -> Sequence[str]:
        return ("all",)

    def train(self, cell: str, seed: int) -> Task:
        return TASK

    def held_out(self, seed: int) -> Task:
        return replace(TASK, split="eval")

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "attic" if "o0" in seen else "unknown"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset({"o0"}) - held
