"""Plays a fixed list of answers, or asks a function: what tests use instead of mocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memrl.contracts.protocols import SampleRequest
from memrl.contracts.silent import silent_decision
from memrl.contracts.types import TokenDecision

Script = Sequence[str] | Callable[[SampleRequest], str]


class ScriptedPolicy:
    """Answers in order, from the start again at the end of the list; its decisions carry no tokens."""

    version = 0
    writes_freely = True

    def __init__(self, script: Script) -> None:
        self._script, self._next = script, 0

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [silent_decision(self._answer(request), request) for request in requests]

    def _answer(self, request: SampleRequest) -> str:
        if callable(self._script):
            return self._script(request)
        answer = self._script[self._next % len(self._script)]
        self._next += 1
        return answer

    def state_dict(self) -> dict[str, Any]:
        return {"next": self._next}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._next = int(state["next"])
