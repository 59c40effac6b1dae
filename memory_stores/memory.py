"""``AgentMemory``: token memory, graph and archive behind one ``apply``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from memory_stores.checks import check
from memory_stores.codec import check_kind, read_tables
from memory_stores.contents import KEPT, REFUSED
from memory_stores.files import corrupt, read_json, write_json
from memory_stores.graph_store import GraphStore
from memory_stores.journal import Journal
from memory_stores.store import NO_STAMP, MemoryStore
from memory_stores.token_store import TokenStore
from memory_stores.types import (
    CountTokens,
    Entry,
    Forget,
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
    from memory_stores.embed import Embedder
    from memory_stores.vector_store import VectorStore

    Archive = VectorStore | Bm25Store
    Part = TokenStore | GraphStore | Archive

FORMAT = "memory_stores/1"
_NAMES: dict[str, StoreName] = {"t": "token", "g": "graph", "a": "archive"}


class AgentMemory:
    """Up to three stores as one, each under its own budget; keeps every promise of ``MemoryStore``.

    Ids tell their store by the first letter: ``t`` token, ``g`` graph, ``a`` archive. An op for a store that is
    not there is refused as NO_SUCH_STORE. ``entries`` are those of the token store, the graph, then the archive.
    Ops go to the journal if there is one, the refused ones too; ``Keep`` does not, as it asks for nothing. A journal
    can rebuild the memory if it was there from the start, and it keeps what was forgotten (``Journal``). Threads may
    share a memory: each call is carried out whole before the next.
    """

    kind: ClassVar[str] = "agent_memory"

    def __init__(
        self,
        token: TokenStore | None = None,
        graph: GraphStore | None = None,
        archive: Archive | None = None,
        journal: Journal | None = None,
    ) -> None:
        """The stores become this memory's own. Raises ValueError if there is none."""
        if token is None and graph is None and archive is None:
            raise ValueError("AgentMemory needs at least one store: give it a token store, a graph or an archive")
        self._lock = RLock()
        self._adopt(token, graph, archive, journal)

    def _adopt(
        self, token: TokenStore | None, graph: GraphStore | None, archive: Archive | None, journal: Journal | None
    ) -> None:
        self._token, self._graph, self._archive, self._journal = token, graph, archive, journal
        self._parts: tuple[Part, ...] = tuple(part for part in (token, graph, archive) if part is not None)
        self._seen: tuple[tuple[Entry, ...], ...] = ()
        self._joined: tuple[Entry, ...] = ()

    @property
    def token(self) -> TokenStore | None:
        """To read; change goes through ``apply`` of the whole."""
        return self._token

    @property
    def graph(self) -> GraphStore | None:
        return self._graph

    @property
    def archive(self) -> Archive | None:
        return self._archive

    @property
    def journal(self) -> Journal | None:
        return self._journal

    @property
    def budget(self) -> int:
        """Of all stores together; each keeps to its own share."""
        first, *more = self._parts
        return first.budget + sum(part.budget for part in more) if more else first.budget

    @property
    def tokens_used(self) -> int:
        first, *more = self._parts
        if not more:
            return first.tokens_used
        with self._lock:
            return first.tokens_used + sum(part.tokens_used for part in more)

    def __len__(self) -> int:
        first, *more = self._parts
        return len(first) + sum(len(part) for part in more) if more else len(first)

    def entries(self) -> tuple[Entry, ...]:
        """Items of the token store, edges of the graph, items of the archive; newest edit last within each."""
        if len(self._parts) == 1:
            return self._parts[0].entries()
        with self._lock:
            seen = tuple(part.entries() for part in self._parts)
            if len(seen) != len(self._seen) or any(a is not b for a, b in zip(seen, self._seen, strict=True)):
                self._seen, self._joined = seen, tuple(chain.from_iterable(seen))
            return self._joined

    def get(self, id: str) -> Entry | None:
        part = self._holder(id[:1])
        return None if part is None else part.get(id)

    def _holder(self, prefix: str) -> Part | None:
        # A store's name and its ids begin with the same letter.
        if prefix == "t":
            return self._token
        if prefix == "a":
            return self._archive
        return self._graph if prefix == "g" else None

    def store_of(self, id: str) -> StoreName:
        """Which store gave an entry its id, whether or not it still holds it. Raises KeyError if none here could."""
        if self._holder(id[:1]) is None:
            raise KeyError(id)
        return _NAMES[id[0]]

    def apply(self, op: MemoryOp, stamp: Stamp = NO_STAMP) -> OpResult:
        """Carry out one op in the store it is for, or refuse it.

        Raises TypeError on what is no memory op and ValueError on a field of the wrong type or a stamp out of range,
        with memory and journal as they were.
        """
        if isinstance(op, Keep):
            return KEPT
        if (refused := check(op, stamp)) is not None:
            return refused
        with self._lock:
            part = self._route(op)
            result = REFUSED[part] if isinstance(part, Refusal) else self._carried_out(part, op, stamp)
            if self._journal is not None:
                self._journal.append(op, stamp)
            return result

    def _carried_out(self, part: Any, op: MemoryOp, stamp: Stamp) -> OpResult:
        """What a store makes of an op that was checked. Raises ValueError where it gives an id that leads nowhere."""
        if _has_do(part.__class__):
            return part.do(op, stamp)
        result: OpResult = part.apply(op, stamp)
        for id in result.created:
            if self._holder(id[:1]) is not part:
                letter = next(name[0] for name in _NAMES.values() if self._holder(name[0]) is part)
                way_out = f"ids of this store must begin with {letter!r}, or nobody finds the way back to it"
                raise ValueError(f"{type(part).__qualname__}.apply gave the id {id!r}: {way_out}")
        return result

    def _route(self, op: MemoryOp) -> Part | Refusal:
        match op:
            case Write() | Retrieve():
                part = self._holder(op.store[:1])
            case Overwrite() | Forget():
                if op.id[:1] not in ("t", "a"):
                    return Refusal.UNKNOWN_ID
                part = self._holder(op.id[:1])
            case Link() | Relink() | Unlink():
                part = self._graph
            case Keep():
                return Refusal.UNSUPPORTED  # it asks for no store
        return Refusal.NO_SUCH_STORE if part is None else part

    def fork(self) -> Self:
        twin = object.__new__(type(self))
        twin._lock = RLock()
        with self._lock:
            twin._adopt(
                None if self._token is None else self._token.fork(),
                None if self._graph is None else self._graph.fork(),
                None if self._archive is None else self._archive.fork(),
                None if self._journal is None else self._journal.fork(),
            )
        return twin

    def state_hash(self) -> str:
        """The stores' hashes side by side, in the order of ``entries``."""
        if len(self._parts) == 1:
            return self._parts[0].state_hash()
        return "-".join([part.state_hash() for part in self._parts])

    def state_dict(self) -> dict[str, Any]:
        with self._lock:
            return {
                "kind": self.kind,
                "token": None if self._token is None else self._token.state_dict(),
                "graph": None if self._graph is None else self._graph.state_dict(),
                "archive": None if self._archive is None else self._archive.state_dict(),
                "journal": None if self._journal is None else self._journal.to_list(),
            }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become that memory, journal included. Raises ValueError unless it has the same kinds of stores."""
        check_kind(state, self.kind)
        # Loaded into twins first, so that a bad state leaves every store as it was.
        with self._lock:
            self._adopt(
                _loaded(self._token, state, "token"),
                _loaded(self._graph, state, "graph"),
                _loaded(self._archive, state, "archive"),
                None if state.get("journal") is None else Journal.from_list(read_tables(state, "journal")),
            )

    def save(self, path: str | Path) -> None:
        """Write the whole memory, journal included, as one JSON file; a crash leaves the old file as it was.

        A link is followed, a file's mode is kept. Raises ValueError where the path is no file (a folder, a device),
        else OSError where it cannot be written.
        """
        write_json(Path(path), {"format": FORMAT, **self.state_dict()})

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        count_tokens: CountTokens,
        embedder: Embedder | None = None,
        archive: MemoryStore | None = None,
    ) -> Self:
        """The memory that ``save`` wrote, with its stores and budgets.

        ``embedder`` is needed where the file has a vector archive. An ``archive`` of a kind of your own, empty, is
        filled where the file has one of that kind; ``"kind"`` in ``state_dict`` tells it. Raises FileNotFoundError for
        a missing file and ValueError, naming the file and the way out, for one that is corrupt or of another format.
        """
        path = Path(path)
        state = read_json(path)
        if state.get("format") != FORMAT:
            raise corrupt(path, f"format = {state.get('format')!r}, not {FORMAT!r}")
        kind = _archive_kind(state)
        given = archive is not None and archive.state_dict().get("kind") == kind
        if not given and kind == "vector_store" and embedder is None:
            raise ValueError(f"memory file {path} has an archive searched by embedding: pass embedder=MiniLM() to load")
        try:
            memory = cls(
                token=TokenStore(0, count_tokens) if state.get("token") else None,
                graph=GraphStore(0, count_tokens) if state.get("graph") else None,
                archive=cast("Archive", archive) if given else _empty_archive(kind, count_tokens, embedder),
            )
            memory.load_state_dict(state)
        except ValueError as error:
            raise corrupt(path, str(error)) from error
        return memory


@cache
def _has_do(kind: type) -> bool:
    """Whether ``do`` is ``apply`` without its checks: a class of another's making may have, or change, only that."""
    do, apply = (
        next((place for place, one in enumerate(kind.__mro__) if name in vars(one)), None) for name in ("do", "apply")
    )
    return do is not None and apply is not None and do <= apply


def _loaded(store: Any, state: Mapping[str, Any], name: str) -> Any:
    saved = state.get(name)
    if (store is None) != (saved is None):
        has, lacks = ("the state", "this memory") if store is None else ("this memory", "the state")
        raise ValueError(f"state {name}: {has} has that store and {lacks} has none; make a memory with the same stores")
    if store is None:
        return None
    twin = store.fork()
    twin.load_state_dict(saved)
    return twin


def _archive_kind(state: Mapping[str, Any]) -> str | None:
    saved = state.get("archive")
    return str(cast("dict[str, Any]", saved).get("kind")) if isinstance(saved, dict) else None


def _empty_archive(kind: str | None, count_tokens: CountTokens, embedder: Embedder | None) -> Archive | None:
    if kind == "vector_store" and embedder is not None:
        from memory_stores.vector_store import VectorStore

        return VectorStore(0, count_tokens, embedder)
    if kind == "bm25_store":
        from memory_stores.bm25_store import Bm25Store

        return Bm25Store(0, count_tokens)
    if kind is not None:
        raise ValueError(
            f"archive kind = {kind!r}: neither 'vector_store' nor 'bm25_store'; pass an empty one as archive="
        )
    return None
