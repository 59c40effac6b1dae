"""A policy that reads rules: verified texts stand in view after memory and hits.

They act in context only; deployed, the same weights read without them. Their tokens are counted with the prompt,
above the read budget, which is for memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from memrl.contracts.protocols import Policy, SampleRequest
from memrl.contracts.types import TokenDecision, ViewLine


def advised(request: SampleRequest, texts: Sequence[str]) -> SampleRequest:
    """The request with the texts in view; they rest on no observation."""
    lines = tuple(ViewLine(text, f"rule{i}", "token", "") for i, text in enumerate(texts))
    return replace(request, view=request.view + lines)


class Advised:
    """``inner`` with rule texts in every view. Its state, and all else that is asked of it, is that of ``inner``.

    Args:
        texts: what may stand in view now; asked at every call.
    """

    def __init__(self, inner: Policy, texts: Callable[[], Sequence[str]]) -> None:
        self.inner, self._texts = inner, texts

    @property
    def version(self) -> int:
        return self.inner.version

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        texts = self._texts()
        return self.inner.sample([advised(request, texts) for request in requests] if texts else requests)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)
