"""What an estimator of credit is: siblings in, one number per decision out; and how it says what it is right for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.config import CreditConfig
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Decision, Episode

Advantages = NDArray[np.float64]
"""[D] of one episode, in the order in which its decisions were taken."""


class Scene(NamedTuple):
    """What an estimator may use beside the episodes themselves."""

    agent: Agent
    """Who played these episodes; an estimator that replays asks it again."""
    config: CreditConfig
    options: Any = None
    """The estimator's own, as it registered them; None where it has none."""


class Estimator(Protocol):
    """Credit for the decisions of siblings: tries at one task, all usable, two at least.

    In a passive source (``capabilities.is_passive``) nothing that a policy does changes what is shown later, so its
    answer may be judged by what it earned itself. Anywhere else a policy's decision earns what comes after it, or the
    estimator says by ``serves(acting=False)`` that it cannot give that.

    Registered as it is: ``register("estimator", name, estimator, options)``.
    """

    def __call__(self, episodes: Sequence[Episode], scene: Scene) -> list[Advantages]: ...


class Serves(NamedTuple):
    """What an estimator is right for. One that says nothing is taken to serve all."""

    acting: bool = True
    """Policies whose actions change what comes after them."""
    written: bool = True
    """Controllers that decide in tokens."""
    baseline: Literal["siblings", "keep"] = "siblings"
    """What a controller's decision is judged against: the siblings at its place, or Keep in its place."""
    because: str = ""
    """Why not, where it does not serve all: a clause for the one line of the error."""


Function = TypeVar("Function", bound=Callable[..., list[Advantages]])


def serves(
    *,
    acting: bool = True,
    written: bool = True,
    baseline: Literal["siblings", "keep"] = "siblings",
    because: str = "",
) -> Callable[[Function], Function]:
    """Declares what an estimator is right for; see ``Serves``."""
    what = Serves(acting, written, baseline, because)

    def declared(estimator: Function) -> Function:
        estimator.__dict__["serves"] = what
        return estimator

    return declared


def served_by(estimator: object) -> Serves:
    """What an estimator says it is right for."""
    return getattr(estimator, "serves", Serves())


def decisions(episode: Episode) -> list[Decision]:
    """All decisions of an episode in the order in which they were taken: what an ``Advantages`` array runs along."""
    return list(episode.decisions)
