"""Writes every observation whole and forgets nothing: what does not fit is refused by the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from memory_stores.types import Write
from memrl.contracts.protocols import ControllerRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Decision, MemoryOps, TokenDecision


class Everything:
    """It makes its ops itself, so that nothing is listed or embedded: a memory of hundreds of lines costs no time."""

    wants_offers = False
    version = 0

    def decide(self, requests: Sequence[ControllerRequest]) -> list[Decision]:
        """One write a request."""
        return [
            TokenDecision(
                actor=request.actor,
                action=MemoryOps((Write(request.observation.text),) if request.observation.text.strip() else ()),
                memory_hash=request.memory.state_hash(),
                prompt_ids=(),
                action_ids=(),
                logprobs=(),
            )
            for request in requests
        ]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""


register("controller", "everything", lambda context: Everything())
