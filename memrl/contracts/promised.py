"""What a part gave back, looked at before it is used: one that breaks its contract is named, in one line."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np

from memory_stores.types import MEMORY_OPS
from memrl.contracts.errors import ConfigError, InputError, MissingExtra
from memrl.contracts.types import Action, Choose, Decision, MemoryOps, OpDecision, Say, Think, TokenDecision

TRAINABLE = ("parameters", "token_logprobs", "bump", "freeze_reference", "reference")
"""What a policy has that is trained."""
_ABOVE = 1e-3
"""By which rounding may lift a log-probability above 0."""


def decisions(part: object, knob: str, given: Any, requests: Sequence[Any]) -> Sequence[Any]:
    """One decision a request, in order. Raises ConfigError, naming the part and the promise that it broke."""
    found = _as_many(part, knob, given, len(requests), "decisions", "requests; give one each, in order")
    if wrong := [one for one in found if not isinstance(one, OpDecision | TokenDecision)]:
        raise broken(part, knob, f"it gave {wrong[0]!r:.60}, which is no OpDecision and no TokenDecision")
    if not is_ours(part):
        for decision, request in zip(found, requests, strict=True):
            if what := wrong_with(decision, request):
                raise broken(part, knob, what)
    return found


def wrong_with(decision: Decision, request: Any) -> str | None:
    """The promise that a decision breaks, as a sentence; None for a good one."""
    if decision.actor != request.actor:
        return f"it decided as {decision.actor!r} where {request.actor!r} was asked"
    memory = getattr(request, "memory", None)
    if decision.memory_hash != (request.memory_hash if memory is None else memory.state_hash()):
        return f"its decision carries {decision.memory_hash!r:.40}, not the hash of the memory that it was asked about"
    return _wrong_op(decision) if isinstance(decision, OpDecision) else _wrong_tokens(decision)


def _wrong_op(decision: OpDecision) -> str | None:
    count = len(decision.offers)
    if not isinstance(decision.choice, int | np.integer) or not 0 <= decision.choice < count:
        return f"it chose {decision.choice!r} of {count} offers; give a place from 0"
    if decision.action != decision.offers.op(decision.choice):
        return f"its op {decision.action!r:.60} is not the offer at the place {decision.choice} that it names"
    return _wrong_logprob(decision.logprob)


def _wrong_tokens(decision: TokenDecision) -> str | None:
    for name in ("prompt_ids", "action_ids", "logprobs"):
        if not isinstance(getattr(decision, name), tuple):
            return f"its {name} are a {type(getattr(decision, name)).__name__}, not a tuple"
    if len(decision.logprobs) != len(decision.action_ids):
        return f"it gave {len(decision.logprobs)} log-probabilities for {len(decision.action_ids)} sampled tokens"
    action = decision.action
    if not isinstance(action, Action):
        return f"its action is {action!r:.60}, which is none: give Say, ToolCall, Choose, MemoryOps, Unreadable, Think"
    if isinstance(action, Say | Think | Choose) and not isinstance(action.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"its action is {action!r:.60}, whose text is no text"
    if isinstance(action, MemoryOps) and (odd := [op for op in action.ops if not isinstance(op, MEMORY_OPS)]):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"its MemoryOps hold {odd[0]!r:.60}, which is no memory op"
    return next((wrong for one in decision.logprobs if (wrong := _wrong_logprob(one))), None)


def _wrong_logprob(value: Any) -> str | None:
    if isinstance(value, Real) and isfinite(value) and value <= _ABOVE:
        return None
    return f"a log-probability must be a finite number of at most 0, not {value!r:.40}"


def is_ours(part: object) -> bool:
    """Ours are looked at by the kits in our tests, and need no second look in every run."""
    return type(part).__module__.partition(".")[0] == "memrl"


def choices(part: object, given: Any, offered: Sequence[int]) -> Sequence[Any]:
    """One choice a request, among its offers. Raises ConfigError, naming the controller and what it did.

    Args:
        offered: how many there were at each request.
    """
    what = "requests; give a list of one OpChoice each, in order"
    found = _as_many(part, "controller.name", given, len(offered), "choices", what)
    for choice, count in zip(found, offered, strict=True):
        index = getattr(choice, "index", None) if hasattr(choice, "logprob") else None
        if not isinstance(index, int | np.integer) or not 0 <= index < count:
            what = f"it chose {choice!r:.60} of {count} offers; give an OpChoice with a place from 0"
            raise broken(part, "controller.name", what)
    return found


def advantages(part: object, name: str, given: Any, counts: Sequence[int]) -> list[Any]:
    """One array of finite numbers an episode, a number a decision. Raises ConfigError, naming the estimator.

    Args:
        counts: how many decisions each episode has.
    """
    found = _as_many(part, "credit.name", given, len(counts), "arrays", "episodes; give one array each", name)
    for one, count in zip(found, counts, strict=True):
        if np.shape(one) != (count,):
            what = f"it gave numbers of shape {np.shape(one)} for {count} decisions; give one number each"
            raise broken(part, "credit.name", what, name)
        if not np.isfinite(np.asarray(one, dtype=np.float64)).all():
            raise broken(part, "credit.name", "it gave a number that is not finite", name)
    return found


def _as_many(part: object, knob: str, given: Any, asked: int, what: str, wanted: str, name: str = "") -> list[Any]:
    """What was given, as a list, if it is one of so many."""
    found = list(given) if isinstance(given, Iterable) else []
    if len(found) != asked or not isinstance(given, Iterable):
        told = f"{len(found)} {what}" if isinstance(given, Iterable) else f"a {type(given).__name__}"
        raise broken(part, knob, f"it gave {told} for {asked} {wanted}", name)
    return found


@contextmanager
def in_a_sentence(what: str) -> Generator[None]:
    """For the kits: what a part raises while it is looked at is told as a broken promise; wrong settings stay that."""
    try:
        yield
    except (AssertionError, InputError, MissingExtra):
        raise
    except Exception as error:
        told = " ".join(str(error).split())
        raise AssertionError(f"{what} raised {type(error).__name__} when it was looked at: {told}") from error


def broken(part: object, knob: str, what: str, name: str = "") -> ConfigError:
    """The error of a part that breaks its contract.

    Args:
        name: as it was given; the name of its class where nobody knows.
    """
    kit = f"memrl.testing.check_{_KITS[knob]} looks at every promise of such a part"
    return ConfigError(knob, name or type(part).__qualname__, f"{what}; {kit}")


_KITS = {"controller.name": "controller", "policy.name": "policy", "credit.name": "estimator"}
