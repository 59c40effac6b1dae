"""A text as its tokens: one id and one unit vector each, for late interaction (ColBERT, arXiv:2004.12832).

Shapes: N texts, T tokens of one of them, E width of a vector.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from memory_stores.embed import READING, Embedder, HashEmbedder, Matrix, MiniLM


class Tokens(NamedTuple):
    """The tokens of one text, those that only mark its ends left out. A text may have none."""

    ids: NDArray[np.int32]
    """[T] equal for equal tokens, whatever text they stand in."""
    vectors: NDArray[np.float16]
    """[T, E] unit vectors, in their context."""


class Encoded(NamedTuple):
    """N texts, whole and by token."""

    vectors: Matrix
    """[N, E] unit vectors."""
    tokens: list[Tokens]
    """[N]"""


class TokenEncoder(Protocol):
    """Turns texts into vectors, whole and by token, in one pass."""

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The same for the same text whatever stands beside it, to the last bit."""
        ...


class HashTokens:
    """Words hashed to signed unit vectors: tokens agree if they are the same word."""

    def __init__(self, embedder: HashEmbedder) -> None:
        self._embedder = embedder

    @property
    def dim(self) -> int:
        return self._embedder.dim

    def encode(self, texts: Sequence[str]) -> Encoded:
        return Encoded(self._embedder.embed(texts), [self._tokens(text) for text in texts])

    def _tokens(self, text: str) -> Tokens:
        words = re.findall(r"\w+", text.lower())
        ids = [int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "little") >> 1 for word in words]
        return Tokens(np.array(ids, dtype=np.int32), self._embedder.embed(words).astype(np.float16))


class MiniLMTokens:
    """One layer of all-MiniLM-L6-v2, one unit vector a word piece.

    Texts are read one by one, without padding: what a text gives is then the same to the last bit in any company. That
    costs twice the time of batches, which is why results are kept (``CachedTokens``).

    Args:
        layer: 1 to 6, the last. Middle layers know more of how words hang together, the last of what a text is about.
    """

    def __init__(self, embedder: MiniLM, layer: int = 6) -> None:
        self._model: Any = embedder.model
        self.dim = embedder.dim
        self._block: Any = self._model[0].auto_model.encoder.layer[layer - 1] if layer < 6 else None

    def encode(self, texts: Sequence[str]) -> Encoded:
        read = [self._read(text) for text in texts]
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        tokens: list[Tokens] = []
        for row, one in zip(vectors, read, strict=True):
            row[:] = _unit(one["sentence_embedding"].float().cpu().numpy())
            inner = slice(1, int(one["attention_mask"].sum()) - 1)  # without the marks of start and end
            ids = one["input_ids"][inner].cpu().numpy().astype(np.int32)
            tokens.append(Tokens(ids, _unit(one["token_embeddings"][inner].float().cpu().numpy()).astype(np.float16)))
        return Encoded(vectors, tokens)

    def _read(self, text: str) -> Any:
        told: list[Any] = []
        with READING, self._listening(told):
            [read] = self._model.encode([text], batch_size=1, output_value=None, show_progress_bar=False)
        if told:
            hidden = told.pop()
            read["token_embeddings"] = (hidden[0] if isinstance(hidden, tuple) else hidden)[0]
        return read

    @contextmanager
    def _listening(self, told: list[Any]) -> Generator[None]:
        """What the layer gives is kept in ``told``, for as long as one reads: the model is not ours alone."""
        if self._block is None:
            yield
            return

        def keep(module: Any, given: Any, out: Any) -> None:
            told.append(out)

        handle = self._block.register_forward_hook(keep)
        try:
            yield
        finally:
            handle.remove()


def _unit(rows: Matrix) -> Matrix:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-8)


class CachedTokens:
    """An encoder whose results are kept in a file (SQLite): a text is read once, in whichever run it comes first.

    Args:
        encoder: asked for texts that are new.
        path: of the file; made if missing. Give every model a file of its own.

    Raises:
        ValueError: the file is damaged or holds vectors of another width.
    """

    def __init__(self, encoder: TokenEncoder, path: Path) -> None:
        self._encoder, self._path = encoder, path
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self._open()) as file, file:
            self._tell(
                file, "CREATE TABLE IF NOT EXISTS texts (text BLOB PRIMARY KEY, vector BLOB, ids BLOB, tokens BLOB)"
            )

    @property
    def dim(self) -> int:
        return self._encoder.dim

    def encode(self, texts: Sequence[str]) -> Encoded:
        keys = [blake2b(text.encode(), digest_size=16).digest() for text in texts]
        with closing(self._open()) as file:
            found = self._known(file, list(dict.fromkeys(keys)))
            new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
            for start in range(0, len(new), KEPT_TOGETHER):
                part = dict(list(new.items())[start : start + KEPT_TOGETHER])
                made = self._encoder.encode(list(part.values()))
                rows = [
                    (key, vector.tobytes(), tokens.ids.tobytes(), tokens.vectors.tobytes())
                    for key, vector, tokens in zip(part, made.vectors, made.tokens, strict=True)
                ]
                with file:
                    file.executemany("INSERT OR REPLACE INTO texts VALUES (?, ?, ?, ?)", rows)
                found.update(zip(part, zip(made.vectors, made.tokens, strict=True), strict=True))
        vectors = np.stack([found[key][0] for key in keys]) if keys else np.zeros((0, self.dim), dtype=np.float32)
        return Encoded(vectors, [found[key][1] for key in keys])

    def forget(self, texts: Sequence[str]) -> None:
        """Leave no byte of some texts in the file: their tokens tell what they said."""
        keys = [(blake2b(text.encode(), digest_size=16).digest(),) for text in texts]
        with closing(self._open()) as file:
            file.execute("PRAGMA secure_delete=ON")
            with file:
                file.executemany("DELETE FROM texts WHERE text = ?", keys)
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _open(self) -> sqlite3.Connection:
        file = sqlite3.connect(self._path, timeout=60)
        self._tell(file, "PRAGMA journal_mode=WAL")
        return file

    def _tell(self, file: sqlite3.Connection, what: str) -> None:
        try:
            file.execute(what)
        except sqlite3.DatabaseError as error:
            raise ValueError(f"embedding cache {self._path}: {error}; delete the file, it is made anew") from error

    def _known(self, file: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[Matrix, Tokens]]:
        found: dict[bytes, tuple[Matrix, Tokens]] = {}
        for start in range(0, len(keys), ASKED_TOGETHER):
            some = keys[start : start + ASKED_TOGETHER]
            marks = ",".join("?" * len(some))
            for key, vector, ids, tokens in file.execute(f"SELECT * FROM texts WHERE text IN ({marks})", some):
                whole = np.frombuffer(vector, dtype=np.float32)
                if len(whole) != self.dim:
                    raise ValueError(
                        f"embedding cache {self._path}: width {len(whole)}, not {self.dim}; delete the file"
                    )
                by_token = np.frombuffer(tokens, dtype=np.float16).reshape(-1, self.dim)
                found[key] = whole, Tokens(np.frombuffer(ids, dtype=np.int32), by_token)
        return found


KEPT_TOGETHER, ASKED_TOGETHER = 256, 500
"""Texts that are written to the file in one transaction; that are asked for in one query."""


def token_encoder(embedder: Embedder, cache: Path | None = None, layer: int = 6) -> TokenEncoder | None:
    """An embedder that tells tokens apart, if it can; None where it knows whole texts only.

    Args:
        cache: folder where vectors of a slow one are kept.
        layer: of MiniLM; others have one.
    """
    if isinstance(embedder, HashEmbedder):
        return HashTokens(embedder)
    if isinstance(embedder, MiniLM):
        encoder = MiniLMTokens(embedder, layer)
        name = f"{embedder.fingerprint}.sqlite" if layer == 6 else f"{embedder.fingerprint}-layer{layer}.sqlite"
        return encoder if cache is None else CachedTokens(encoder, cache / name)
    return embedder if hasattr(embedder, "encode") else None  # pyright: ignore[reportReturnType]
