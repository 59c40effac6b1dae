"""The one protocol every store keeps. ``testing.check_store`` turns each promise below into a check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from memory_stores.types import CountTokens, Entry, MemoryOp, OpResult, Stamp

if TYPE_CHECKING:
    from memory_stores.embed import Embedder

NO_STAMP = Stamp()


@runtime_checkable
class MemoryStore(Protocol):
    """A bounded memory that changes through ``apply`` alone."""

    @property
    def budget(self) -> int:
        """The most tokens its entries may hold together; never exceeded, whatever is asked."""
        ...

    @property
    def tokens_used(self) -> int:
        """Tokens its entries hold now."""
        ...

    def __len__(self) -> int:
        """How many live entries it holds (superseded edges are history and do not count)."""
        ...

    def entries(self) -> tuple[Entry, ...]:
        """The live entries in stable order, newest edit last."""
        ...

    def get(self, id: str) -> Entry | None:
        """The live entry of that id."""
        ...

    def apply(self, op: MemoryOp, stamp: Stamp = NO_STAMP) -> OpResult:
        """Carry out one op, or refuse it and stay exactly as before. The only way in.

        Ids begin with the first letter of the store that the op was for: ``t`` token, ``g`` graph, ``a`` archive.
        """
        ...

    def fork(self) -> Self:
        """A twin that shares nothing with its parent afterwards."""
        ...

    def state_hash(self) -> str:
        """Equal for equal contents (texts, validity, provenance), whatever road led there."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything it takes to load it again, as JSON-ready data."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the store that ``state`` was taken from. Raises ValueError on a state of another kind."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreContext:
    """What a store is made from by name."""

    budget: int
    """The most tokens that it may hold."""
    count_tokens: CountTokens
    """The reader's own count of a text."""
    embedder: Embedder
    """The run's own; a store that is searched by words leaves it alone."""
