"""What a part gave back, looked at before it is used: one that breaks its contract is named, in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from memrl.contracts.errors import ConfigError
from memrl.contracts.types import OpDecision, TokenDecision


def decisions(part: object, knob: str, given: Any, asked: int) -> Sequence[Any]:
    """One decision a request, in order. Raises ConfigError, naming the part and the promise that it broke."""
    found = _as_many(part, knob, given, asked, "decisions", "requests; give one each, in order")
    if wrong := [one for one in found if not isinstance(one, OpDecision | TokenDecision)]:
        raise broken(part, knob, f"it gave {wrong[0]!r:.60}, which is no OpDecision and no TokenDecision")
    return found


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


def broken(part: object, knob: str, what: str, name: str = "") -> ConfigError:
    """The error of a part that breaks its contract.

    Args:
        name: as it was given; the name of its class where nobody knows.
    """
    kit = f"memrl.testing.check_{_KITS[knob]} looks at every promise of such a part"
    return ConfigError(knob, name or type(part).__qualname__, f"{what}; {kit}")


_KITS = {"controller.name": "controller", "policy.name": "policy", "credit.name": "estimator"}
