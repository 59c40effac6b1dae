"""What any controller promises, looked at over a handful of moments: a memory that is empty, half full, full, searched.

The promises are the sentences of ``Controller`` in ``memrl/contracts/protocols.py``, and of ``TrainableScorer`` for one
with weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from memory_stores.bm25_store import Bm25Store
from memory_stores.embed import HashEmbedder
from memory_stores.memory import AgentMemory
from memory_stores.token_store import TokenStore
from memory_stores.types import Stamp, Write
from memrl.contracts.contexts import ControllerContext, OffersContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.kept_state import problem_of_state
from memrl.contracts.offer_sets import stacked
from memrl.contracts.promised import in_a_sentence, wrong_with
from memrl.contracts.protocols import NO_OFFERS, Controller, ControllerRequest, OfferRequest, Offers, SampleRequest
from memrl.contracts.registry import make as make_part
from memrl.contracts.texts import TextTable
from memrl.contracts.types import (
    Decision,
    MemoryOps,
    Observation,
    OpDecision,
    Say,
    Task,
    Think,
    TokenDecision,
    Unreadable,
)

Make = Callable[[ControllerContext], Any]
"""What makes a ``Controller``."""

TASK = Task(env="promises", theta=None, seed=0)
ACTOR = "controller:kit"
FACTS = ("the lantern hangs in the attic", "the kettle stands in the cellar", "rain fell on the old mill")
BUDGET = 12
"""Words of token memory: two facts."""
DRAWS = 2000
TOLERANCE = 1e-3
"""Of log-probabilities."""


def check_controller(
    controller: str | Make,
    options: Mapping[str, Any] | None = None,
    *,
    subjects: bool = False,
    draws: bool = False,
    offers: str = "ops",
    linker: str = "none",
    offers_options: Mapping[str, Any] | None = None,
) -> None:
    """Ask a controller for decisions, twice, in other company, after its weights changed, and look at each.

    Args:
        controller: its name, or what makes one from a ``ControllerContext``; it is made twice, alike.
        options: of one that is given by name.
        subjects: offers have the two further columns that the option ``subjects`` of a scorer asks for.
        offers: what lists the ops, a part of kind "offers"; "entries" for a controller that reads entry by entry.
        offers_options: of those offers.
        linker: what reads relations out of the moments' texts, a part of kind "linker".
        draws: it draws at random when it should be greedy too, as the row "random" does.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """

    def make(context: ControllerContext) -> Controller:
        if isinstance(controller, str):
            return make_part("controller", controller, options or {}, "controller.name", context)
        return controller(context)

    bench = Bench(subjects, offers, linker, offers_options)
    with in_a_sentence("the controller"):
        _check(make, bench, draws)


def _check(make: Make, bench: Bench, draws: bool) -> None:
    first, second = make(bench.context()), make(bench.context())
    bench.wants_offers = getattr(first, "wants_offers", True)
    learns = bench.wants_offers and callable(getattr(first, "parameters", None))
    _check_decisions(first, bench)
    _check_company(first, bench)
    if not draws:
        _check_greedy(first, bench)
    if learns:
        _check_looks_away(first, bench)
        _check_frequencies(first, bench)
        _check_weights(first, bench)
    _check_state(first, second, bench)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    memory: AgentMemory
    observation: Observation
    reads: bool = False


class Bench:
    """Moments, and requests made of them."""

    def __init__(
        self,
        subjects: bool = False,
        offers: str = "ops",
        linker: str = "none",
        offers_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.table = TextTable(HashEmbedder(16))
        self.wants_offers = True
        reads = make_part("linker", linker, {}, "memory.linker")
        self._linked = reads is not None
        context = OffersContext(
            table=self.table,
            count_tokens=_words,
            linker=reads,
            edges=False,
            subjects=subjects,
            cache=Path(),
        )
        self._offers: Offers = make_part("offers", offers, offers_options or {}, "controller.offers", context)
        told = Observation(id="o9", step=9, content="the whistle lies in the barn")
        asked = Observation(id="o9", step=9, content="where is the lantern?", wants_action=True, writable=False)
        self.moments = (
            Moment(memory=_memory(), observation=told),
            Moment(memory=_memory(*FACTS[:1]), observation=told),
            Moment(memory=_memory(*FACTS[:2]), observation=told),
            Moment(memory=_memory(*FACTS[1:], archive=FACTS), observation=told),
            Moment(memory=_memory(archive=FACTS), observation=asked, reads=True),
        )

    def context(self) -> ControllerContext:
        return ControllerContext(
            table=self.table,
            seed=0,
            plan=lambda task: {"o9": 12},
            policy=_Writer(),
            evidence=_Evidence(),
            demonstrates=_Evidence(),
            names=self._offers.names,
            linked=self._linked,
        )

    def requests(self, seed: int = 0, greedy: bool = False) -> list[ControllerRequest]:
        """One a moment, each with a generator of its own; a controller of tokens has no say in what is retrieved."""
        moments = [one for one in self.moments if self.wants_offers or not one.reads]
        return [self.request(one, [seed, n], greedy) for n, one in enumerate(moments)]

    def request(self, moment: Moment, seed: Sequence[int], greedy: bool = False) -> ControllerRequest:
        asked = OfferRequest(moment.memory, moment.observation, moment.reads, room=BUDGET)
        return ControllerRequest(
            observation=moment.observation,
            offers=self._offers.offers([asked])[0] if self.wants_offers else NO_OFFERS,
            memory=moment.memory,
            table=self.table,
            task=TASK,
            rng=np.random.default_rng(seed),
            greedy=greedy,
            actor=ACTOR,
        )


def _check_decisions(controller: Controller, bench: Bench) -> None:
    assert isinstance(controller.version, int), "version must be a whole number"
    requests = bench.requests()
    before = [request.memory.state_hash() for request in requests]
    decisions = _decided(controller, requests)
    after = [request.memory.state_hash() for request in requests]
    assert before == after, "decide() must leave memory as it is: change goes through the decision"
    for request, decision in zip(requests, decisions, strict=True):
        assert decision.actor == request.actor, "a decision must be by the request's actor"
        assert decision.memory_hash == request.memory.state_hash(), "a decision must carry the hash of its memory"
        _check_op(request, decision) if bench.wants_offers else _check_tokens(decision)
        assert (wrong := wrong_with(decision, request)) is None, wrong


def _check_op(request: ControllerRequest, decision: Decision) -> None:
    assert isinstance(decision, OpDecision), "a controller that wants offers must take one of them (OpDecision)"
    assert decision.offers is request.offers, "a decision must carry the offers that it was made of"
    fits = 0 <= decision.choice < len(request.offers) and decision.action == request.offers.op(decision.choice)
    assert fits, "the op must be among the offers, at the index that the decision names"
    likely = isfinite(decision.logprob) and decision.logprob <= TOLERANCE
    assert likely, f"a log-probability must be finite and at most 0, not {decision.logprob}"


def _check_tokens(decision: Decision) -> None:
    assert isinstance(decision, TokenDecision), "a controller that wants no offers must decide in tokens"
    assert isinstance(decision.action, MemoryOps | Unreadable | Think), (
        f"tokens must stand for MemoryOps, or be Unreadable; not a {type(decision.action).__name__}"
    )
    assert len(decision.logprobs) == len(decision.action_ids), "there must be one log-probability a sampled token"


def _check_company(controller: Controller, bench: Bench) -> None:
    """The same request and generator, in another batch."""
    for seed in range(8):
        told = _told(_decided(controller, bench.requests(seed)))
        again = _told(_decided(controller, bench.requests(seed)))
        assert told == again, "the same request with the same generator must get the same decision"
        turned = _told(_decided(controller, bench.requests(seed)[::-1]))[::-1]
        alone = [_told(_decided(controller, [request]))[0] for request in bench.requests(seed)]
        assert told == alone == turned, "a decision must be the same alone and in any batch, in its request's place"


def _check_greedy(controller: Controller, bench: Bench) -> None:
    told = [_told(_decided(controller, bench.requests(seed, greedy=True))) for seed in range(8)]
    assert told == told[:1] * 8, "a greedy decision must not depend on the generator"


def _check_looks_away(controller: Controller, bench: Bench) -> None:
    others = [replace(request, task=replace(TASK, seed=7, cell="other")) for request in bench.requests()]
    same = _told(_decided(controller, bench.requests())) == _told(_decided(controller, others))
    assert same, "a learned controller must not look at the task"


def _check_frequencies(controller: Any, bench: Bench) -> None:
    request = bench.request(bench.moments[2], [0])
    requests = [replace(request, rng=np.random.default_rng([9, n])) for n in range(DRAWS)]
    chosen = [decision.choice for decision in _decided(controller, requests)]  # pyright: ignore[reportAttributeAccessIssue]
    shares = np.bincount(chosen, minlength=len(request.offers)) / DRAWS
    told = np.exp(_logprobs(controller, [request])[0])
    assert np.abs(shares - told).max() < 0.05, "an offer must be taken as often as logprobs() says that it is likely"


def _check_weights(controller: Any, bench: Bench) -> None:
    import torch

    _check_recorded(controller, bench, "the log-probability of a choice must be what logprobs() says of it")
    loss = _surface(controller, bench.requests())[0].clamp(min=-20).sum()
    moved = torch.autograd.grad(loss, list(controller.parameters()), allow_unused=True)
    assert any(one is not None and one.abs().max() > 0 for one in moved), (
        "logprobs() must carry gradients to parameters()"
    )
    version, generator = controller.version, torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in controller.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    controller.bump()
    assert controller.version == version + 1, "bump() must raise version by one"
    _check_recorded(controller, bench, "after bump() decisions must come from the weights as they are now")


def _check_recorded(controller: Any, bench: Bench, promise: str) -> None:
    for greedy in (False, True):
        requests = bench.requests(greedy=greedy)
        decisions = _decided(controller, requests)
        for line, decision in zip(_logprobs(controller, requests), decisions, strict=True):
            assert abs(line[decision.choice] - decision.logprob) < TOLERANCE, promise  # pyright: ignore[reportAttributeAccessIssue]


def _surface(controller: Any, requests: Sequence[ControllerRequest]) -> tuple[Any, Any]:
    """What the learner is told: log-probabilities [D, C] and the mask of those that exist."""
    import torch

    every = stacked([request.offers for request in requests])
    logprobs_DC, mask_DC = controller.logprobs(*map(torch.from_numpy, every))
    assert mask_DC.sum(1).tolist() == every.counts.tolist(), "logprobs() must mask what was not on offer, and only that"
    return logprobs_DC, mask_DC


def _logprobs(controller: Any, requests: Sequence[ControllerRequest]) -> list[np.ndarray]:
    logprobs_DC, mask_DC = _surface(controller, requests)
    return [line[mask].detach().numpy() for line, mask in zip(logprobs_DC, mask_DC, strict=True)]


def _check_state(first: Controller, second: Controller, bench: Bench) -> None:
    assert (wrong := problem_of_state(first.state_dict())) is None, wrong
    second.load_state_dict(first.state_dict())
    assert second.version == first.version, "version must be part of the state"
    for greedy in (False, True):
        for seed in range(8):
            told = _told(_decided(first, bench.requests(seed, greedy)))
            assert told == _told(_decided(second, bench.requests(seed, greedy))), (
                "a controller that loads another's state_dict() must decide as that one does"
            )


def _decided(controller: Controller, requests: Sequence[ControllerRequest]) -> list[Decision]:
    try:
        decisions = controller.decide(requests)
    except ConfigError as error:
        raise AssertionError(error.way_out) from error
    assert isinstance(decisions, Sequence), f"decide() must give a list of decisions, not a {type(decisions).__name__}"
    assert len(decisions) == len(requests), "decide() must give one decision a request"
    assert all(isinstance(one, OpDecision | TokenDecision) for one in decisions), (
        "decide() must give OpDecisions or TokenDecisions"
    )
    return list(decisions)


def _told(decisions: Sequence[Decision]) -> list[tuple[Any, ...]]:
    """What two decisions must have in common to be the same."""
    return [
        (one.choice, one.action, round(one.logprob, 3)) if isinstance(one, OpDecision) else (one.action, one.action_ids)
        for one in decisions
    ]


class _Evidence:
    """Stands in for the environment: every answer rests on the first fact."""

    def read(self, task: Task, question_id: str, seen: frozenset[str]) -> str:
        return "attic" if "o0" in seen else "unknown"

    def blame(self, task: Task, question_id: str, held: frozenset[str]) -> frozenset[str]:
        return frozenset({"o0"}) - held

    def walkthrough(self, task: Task) -> Sequence[str]:
        return ("take the lantern", "go to the barn")


class _Writer:
    """Stands in for the run's policy: says one of the lines that it reads."""

    version = 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [self._say(request) for request in requests]

    def _say(self, request: SampleRequest) -> TokenDecision:
        lines = [request.observation.text, *(line.text for line in request.view)]
        picked = 0 if request.greedy else request.seed % len(lines)
        return TokenDecision(
            actor=request.actor,
            action=Say(lines[picked]),
            memory_hash=request.memory_hash,
            prompt_ids=(0,),
            action_ids=(picked,),
            logprobs=(0.0,),
        )

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


def _memory(*texts: str, archive: Sequence[str] = ()) -> AgentMemory:
    memory = AgentMemory(token=TokenStore(BUDGET, _words), archive=Bm25Store(100, _words) if archive else None)
    ops = [*(Write(text) for text in texts), *(Write(text, "archive") for text in archive)]
    for n, op in enumerate(ops):
        memory.apply(op, Stamp(step=n, observation_id=f"o{n}"))
    return memory


def _words(text: str) -> int:
    return len(text.split())
