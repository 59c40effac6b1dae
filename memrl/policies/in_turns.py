"""A policy that takes turns to itself before it acts: a thought first (ReAct, arXiv:2210.03629), or a draft and what is
wrong with it (Self-Refine, arXiv:2303.17651).

Each turn is one more sample of the same model, with the turns before it in view; the last one acts. Whatever a turn
says is taken for what was asked: the model need not know a form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from memrl.contracts.protocols import Policy, SampleRequest
from memrl.contracts.types import Think, TokenDecision, as_text
from memrl.policies.prompts import ACTING

THOUGHT = "Thought"


class Turn(NamedTuple):
    """What is asked in one turn."""

    name: str
    """Names what is to follow, and then what was said."""
    told: str
    """Stands behind the brief's header."""


class InTurns:
    """``inner`` with turns to itself. Its state, and all else that is asked of it, is that of ``inner``.

    Args:
        turns: before the one that acts; the rollout must allow as many (``scratch_turns``).
        max_new_tokens: of a turn.
    """

    def __init__(self, inner: Policy, turns: Sequence[Turn], max_new_tokens: int) -> None:
        self.inner, self._turns, self._most = inner, tuple(turns), max_new_tokens

    @property
    def version(self) -> int:
        return self.inner.version

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One decision a request, in order: ``Think`` until all turns are taken."""
        decisions = self.inner.sample([self._asked(request) for request in requests])
        return [self._turned(one, request) for one, request in zip(decisions, requests, strict=True)]

    def _asked(self, request: SampleRequest) -> SampleRequest:
        turn, brief = self._turn(request), request.brief
        if turn is None:
            return request
        header = f"{brief.header or ACTING} {turn.told}"
        return replace(request, brief=replace(brief, header=header, does=turn.name, max_new_tokens=self._most, lines=1))

    def _turned(self, decision: TokenDecision, request: SampleRequest) -> TokenDecision:
        turn = self._turn(request)
        if turn is None:
            return decision
        said = as_text(decision.action).strip().partition("\n")[0].strip()
        return replace(decision, action=Think(said if turn.name == THOUGHT else f"{turn.name}: {said}"))

    def _turn(self, request: SampleRequest) -> Turn | None:
        return self._turns[len(request.scratch)] if len(request.scratch) < len(self._turns) else None

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)
