"""``TextTable``: texts and their embeddings, each kept once and referred to by row.

Shapes: U texts of a table, E embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memory_stores.embed import unit_rows
from memrl.contracts.errors import ConfigError

if TYPE_CHECKING:
    from memory_stores.token_vectors import TokenEncoder, Tokens

LAYER = "controller.options.layer"


class EmbedderLike(Protocol):
    """The part of ``memory_stores.embed.Embedder`` that a table needs."""

    @property
    def dim(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class TextTable:
    """One table serves a whole run; a decision refers to its rows. Row -1 means "no text".

    Rows stay what they are until ``trim`` drops texts, which the loop does between two steps, when no decision lives.
    """

    def __init__(self, embedder: EmbedderLike) -> None:
        self._embedder = embedder
        self._row_of: dict[str, int] = {}
        self._matrix: NDArray[np.float32] = np.zeros((256, embedder.dim), dtype=np.float32)
        self._encoder: TokenEncoder | None = None
        self._layer = 6
        self._tokens: dict[str, Tokens] = {}
        self.generation = 0
        """Grows whenever rows changed their meaning: what was derived from rows before is stale."""
        self.dropped = 0
        """Texts that ``trim`` dropped so far: row + dropped is a text's place among all that ever came."""

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, text: str) -> bool:
        return text in self._row_of

    @property
    def dim(self) -> int:
        return self._matrix.shape[1]

    def add(self, texts: Sequence[str]) -> None:
        """Embed in one batch those texts that are new."""
        new = [text for text in dict.fromkeys(texts) if text not in self._row_of]
        if not new:
            return
        if self._encoder is None:
            vectors = unit_rows(self._embedder.embed(new), len(new), self.dim)
        else:
            encoded = self._encoder.encode(new)
            vectors = encoded.vectors
            self._tokens.update(zip(new, encoded.tokens, strict=True))
        start, end = len(self._row_of), len(self._row_of) + len(new)
        while end > len(self._matrix):
            self._matrix = np.concatenate([self._matrix, np.zeros_like(self._matrix)])
        self._matrix[start:end] = vectors
        self._row_of.update((text, start + i) for i, text in enumerate(new))

    def by_token(self, encoder: TokenEncoder) -> None:
        """From now on keep the tokens of texts too; ``encoder`` gives both, in the embedder's place."""
        self._encoder = encoder

    def keep_tokens(self, who: str, cache: Path | None = None, layer: int = 6) -> None:
        """``by_token`` with what the embedder itself can tell, if nobody asked for it before.

        Args:
            who: compares by token, for the message.
            cache: folder where vectors of a slow embedder are kept.
            layer: of the embedder's model, where it has several.

        Raises:
            ConfigError: the embedder knows whole texts only, or the table keeps the tokens of another layer already.
        """
        if self._encoder is not None and self._layer != layer:
            raise ConfigError(LAYER, layer, f"tokens are those of layer {self._layer} here, which others compare by")
        if not self.keep_vectors(cache, layer):
            way_out = f"it knows whole texts only, and {who} compare by token; take minilm"
            raise ConfigError("memory.embedder", type(self._embedder).__name__, way_out)

    def keep_vectors(self, cache: Path | None = None, layer: int = 6) -> bool:
        """Keep the vectors of a slow embedder in a folder from one run to the next; False where that is not possible.

        A text is then read by itself and not in a batch, and its tokens are kept beside it.
        """
        from memory_stores.token_vectors import token_encoder

        if self._encoder is None:
            encoder = token_encoder(self._embedder, cache, layer)  # pyright: ignore[reportArgumentType]
            if encoder is None:
                return False
            self.by_token(encoder)
            self._layer = layer
        return True

    def forget_kept(self, texts: Sequence[str]) -> None:
        """Take texts out of the folder that ``keep_tokens`` keeps vectors in; rows here stay as they are."""
        if (forget := getattr(self._encoder, "forget", None)) is not None:
            forget(texts)

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text, read in one go where they are new. Raises RuntimeError without ``by_token``."""
        if self._encoder is None:
            raise RuntimeError("this table keeps whole texts only: call by_token first")
        self.add(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in self._tokens]
        if missing:  # after a checkpoint, which keeps none: the encoder gives the same again
            self._tokens.update(zip(missing, self._encoder.encode(missing).tokens, strict=True))
        return [self._tokens[text] for text in texts]

    def row(self, text: str) -> int:
        """The row of a text, embedding it if it is new."""
        row = self._row_of.get(text)
        if row is None:
            self.add([text])
            row = self._row_of[text]
        return row

    @property
    def texts(self) -> list[str]:
        """[U] in order of rows."""
        return list(self._row_of)

    @property
    def matrix(self) -> NDArray[np.float32]:
        """[U, E], one unit vector a text."""
        return self._matrix[: len(self._row_of)]

    def trim(self, most: int) -> None:
        """Keep the ``most`` newest texts, with new rows; 0 keeps all. No decision that refers to a row may live on."""
        drop = len(self._row_of) - most
        if not most or drop <= 0:
            return
        kept = self.matrix[drop:].copy()
        self._row_of = {text: row - drop for text, row in self._row_of.items() if row >= drop}
        self._tokens = {text: tokens for text, tokens in self._tokens.items() if text in self._row_of}
        self._matrix = np.concatenate([kept, np.zeros((256, self.dim), dtype=np.float32)])
        self.generation += 1
        self.dropped += drop

    def state_dict(self) -> dict[str, Any]:
        """Texts and vectors in order of rows: sums over rows come out to the same bit only in the same order."""
        return {"texts": list(self._row_of), "matrix": self.matrix.copy(), "dropped": self.dropped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._row_of = {text: row for row, text in enumerate(state["texts"])}
        self._matrix = np.concatenate([state["matrix"], np.zeros((256, self.dim), dtype=np.float32)])
        self.dropped = int(state.get("dropped", 0))
        self.generation += 1
