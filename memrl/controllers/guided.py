"""A controller under the influence of rules: offers that a rule recommends gain in likelihood.

    log p(offer) + bonus, where any rule recommends it ─> normalised again ─> sampled

The rules act in context only: the network is as it was, and deployed it plays without them. What is recorded as a
decision's log-probability is that of the distribution that was sampled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memrl.contracts.protocols import Chooser, Controller, ControllerRequest, OpChoice
from memrl.controllers.advice import Advice
from memrl.controllers.scorer import pick


class Scored(Controller, Protocol):
    """A controller that can say how likely each offer is."""

    def offer_logprobs(self, requests: Sequence[ControllerRequest]) -> list[NDArray[np.float32]]: ...


class Guided(Chooser):
    """``inner`` with a bonus on recommended offers. Its state is that of ``inner``.

    Args:
        rules: what may influence it now; asked at every choice, none of them leaves ``inner`` to itself.
        bonus: nats.
    """

    def __init__(self, inner: Scored, rules: Callable[[], Sequence[Advice]], bonus: float) -> None:
        self.inner, self._rules, self._bonus = inner, rules, bonus

    @property
    def version(self) -> int:
        return self.inner.version

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        rules = self._rules()
        if not rules:
            return self.inner.choose(requests)  # pyright: ignore[reportAttributeAccessIssue]
        lines = self.inner.offer_logprobs(requests)
        return [pick(self._swayed(line, r, rules), r) for line, r in zip(lines, requests, strict=True)]

    def _swayed(
        self, line: NDArray[np.float32], request: ControllerRequest, rules: Sequence[Advice]
    ) -> NDArray[np.float64]:
        told = np.any([rule.matches(request.offers) for rule in rules], axis=0)
        scores = line.astype(np.float64) + self._bonus * told
        return scores - np.logaddexp.reduce(scores)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)
