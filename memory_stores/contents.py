"""Small things every store needs: checked budgets, memoised token counts, and the content hash.

The content hash is a multiset hash: each entry adds a 128-bit digest of what it says, when it held and where
it came from. A sum forgets order and takes an entry back out by subtraction, so a store keeps it up to date in
constant time (the incremental hash of Bellare and Micciancio 1997, "A new paradigm for collision-free hashing").
"""

from __future__ import annotations

import operator
from functools import lru_cache
from hashlib import blake2b

from memory_stores.types import CountTokens, Edge, Item, OpResult, Refusal, Stamp

MASK = (1 << 128) - 1
KEPT = OpResult()
REFUSED = {refusal: OpResult(refused=refusal) for refusal in Refusal}
"""One shared result for each refusal; results are frozen."""


def checked_budget(owner: str, budget: int) -> int:
    """The budget itself. Raises ValueError if it is negative."""
    if budget < 0:
        raise ValueError(f"{owner}.budget = {budget}: it must be at least 0 tokens")
    return budget


def memoised(count_tokens: CountTokens) -> CountTokens:
    """``count_tokens`` with a bounded cache, one for all stores that count alike. It must be a pure function.

    A count that is no whole number of at least 0 raises ValueError.
    """
    try:
        return _memoised(count_tokens)
    except TypeError:  # an unhashable callable cannot share its cache
        return lru_cache(maxsize=65536)(_checked(count_tokens))


@lru_cache(maxsize=32)
def _memoised(count_tokens: CountTokens) -> CountTokens:
    return lru_cache(maxsize=65536)(_checked(count_tokens))


def _checked(count_tokens: CountTokens) -> CountTokens:
    def count(text: str) -> int:
        told: object = count_tokens(text)
        try:
            tokens = operator.index(told)  # pyright: ignore[reportArgumentType]
        except TypeError:
            tokens = -1
        if tokens < 0:
            raise ValueError(f"count_tokens gave {told!r}: it must give a whole number of at least 0 (of type int)")
        return tokens

    return count


@lru_cache(maxsize=65536)
def item_digest(text: str, stamp: Stamp) -> int:
    """What an item adds to its store's hash: text and provenance, neither id nor use counters."""
    return _digest(("item", text, stamp.step, stamp.observation_id, stamp.writer, float(stamp.trust)))


def edge_digest(edge: Edge) -> int:
    """What an edge adds to its store's hash: triple, validity and provenance."""
    stamp = edge.stamp
    provenance = (stamp.step, stamp.observation_id, stamp.writer, float(stamp.trust))
    return _digest(("edge", edge.subject, edge.relation, edge.object, edge.invalid_at, *provenance))


def _digest(content: tuple[object, ...]) -> int:
    # repr quotes its strings, so no two contents run together.
    return int.from_bytes(blake2b(repr(content).encode(), digest_size=16).digest(), "little")


def hash_text(total: int) -> str:
    """A content hash as 32 hexadecimal digits."""
    return f"{total:032x}"


def newest(entry: Item | Edge) -> int:
    """The serial number in an entry's id: larger is newer."""
    return int(entry.id[1:])
