"""What the doors need of an agent: ``memrl.agent.MemoryAgent`` has it, and so may one of your own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from memrl.agent.results import Answer, Found, Observed


class Speaking(Iterator[str], Protocol):
    """An answer as it is written."""

    @property
    def answer(self) -> Answer:
        """The whole of it, waited for."""
        ...

    def close(self) -> None:
        """Stop before the end, and let go of the model."""
        ...


class ServedAgent(Protocol):
    """A memory with a model, safe to use from several threads; each call is carried out whole before the next."""

    def user(self, name: str) -> ServedAgent: ...

    def users(self) -> tuple[str, ...]: ...

    def chat(self, messages: Sequence[Mapping[str, Any]], *, stream: bool) -> Any:
        """An ``Answer``, or what is ``Speaking``."""
        ...

    def observe(
        self, text: str, *, trust: float, source: str | None, metadata: Mapping[str, Any] | None
    ) -> Observed: ...

    def search(self, query: str, k: int, *, where: Mapping[str, Any] | None) -> list[Found]: ...

    def all(self, *, where: Mapping[str, Any] | None) -> list[Found]: ...

    def get(self, id: str) -> Found | None: ...

    def update(self, id: str, text: str, *, metadata: Mapping[str, Any] | None) -> Observed: ...

    def delete(self, id: str) -> Found: ...
