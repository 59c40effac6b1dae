"""Bounded memories for agents: a token store, a graph and an archive behind one ``apply``.

    from memory_stores import AgentMemory, Link, Retrieve, Stamp, TokenStore, Write

    memory = AgentMemory(token=TokenStore(64, count_tokens=lambda text: len(text.split())))
    result = memory.apply(Write("Ana put the lantern in the attic."), Stamp(step=3, observation_id="o3"))
    result.created            # ("t1",)

What is kept        ``Item``, ``Edge``; each knows where it came from (``Stamp``) and when it held
What may be done    ``Keep Write Overwrite Forget`` (texts), ``Link Relink Unlink`` (edges), ``Retrieve``
What comes back     ``OpResult``: ids created and removed, ``Hit``s, or a ``Refusal`` with the store as it was
Where it is kept    ``TokenStore``, ``GraphStore``, ``VectorStore`` or ``Bm25Store``; ``AgentMemory`` joins them
What is logged      ``Journal``; ``replay`` makes the same store again, hash for hash
What lasts          ``MemoryFile``: a ``DurableMemory`` for each namespace in one SQLite file, each op a commit

Every store keeps the promises of ``MemoryStore``: a budget of tokens that is never exceeded, ``fork``,
``state_hash``, ``state_dict``. ``testing.check_store`` checks them on a store of your own. No torch here, and
importing this package loads none of the search libraries; they come when a search first needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory_stores.graph_store import GraphStore
from memory_stores.journal import Journal, replay
from memory_stores.linker import EntityLinker, ProposedEdge
from memory_stores.memory import AgentMemory
from memory_stores.store import MemoryStore
from memory_stores.token_store import TokenStore
from memory_stores.types import (
    MEMORY_OPS,
    CountTokens,
    Edge,
    Entry,
    Forget,
    Hit,
    Item,
    Keep,
    Link,
    MemoryOp,
    OpResult,
    Overwrite,
    Refusal,
    Relink,
    Retrieve,
    Stamp,
    StoreName,
    Unlink,
    Write,
)

if TYPE_CHECKING:
    from memory_stores.bm25_store import Bm25Store
    from memory_stores.durable import Details, DurableMemory, MemoryFile, StoreError
    from memory_stores.embed import Embedder, HashEmbedder, MiniLM
    from memory_stores.vector_store import VectorStore

_LATER = {
    "Bm25Store": "bm25_store",
    "Details": "durable",
    "DurableMemory": "durable",
    "MemoryFile": "durable",
    "StoreError": "durable",
    "Embedder": "embed",
    "HashEmbedder": "embed",
    "MiniLM": "embed",
    "VectorStore": "vector_store",
}
"""Names for searching and for files, some of which load numpy: imported when they are first asked for."""

__all__ = [
    "MEMORY_OPS",
    "AgentMemory",
    "Bm25Store",
    "CountTokens",
    "Details",
    "DurableMemory",
    "Edge",
    "Embedder",
    "EntityLinker",
    "Entry",
    "Forget",
    "GraphStore",
    "HashEmbedder",
    "Hit",
    "Item",
    "Journal",
    "Keep",
    "Link",
    "MemoryFile",
    "MemoryOp",
    "MemoryStore",
    "MiniLM",
    "OpResult",
    "Overwrite",
    "ProposedEdge",
    "Refusal",
    "Relink",
    "Retrieve",
    "Stamp",
    "StoreError",
    "StoreName",
    "TokenStore",
    "Unlink",
    "VectorStore",
    "Write",
    "replay",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
