"""The learned controller of a full memory: one small network says what a text is worth, and the least worth leaves.

    text ─ projection ─┐
    arrival numbers ───┴─> two layers ─> layer norm ─> a unit vector ─> spread × [H]·[H] - per_token log tokens = worth

    score = enters (worth(new) + bias [nothing leaves]) - leaves worth(held)                softmax over the offers

The same worth for the new text and for every text held: Keep, at score 0, is the new text's own leaving. The unit
vector behind the layer norm bounds how far worths can lie apart, so a policy never becomes so sure that it stops
trying; a network without that bound was sure, and wrong, within a hundred steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, layer_norm, normalize

from memrl.contracts.checks import check
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import register
from memrl.controllers.arrivals import ARRIVAL_NAMES, NUM_ARRIVAL
from memrl.controllers.scorer import Scorer
from memrl.controllers.worth_offers import FLAGS, WORTH_NAMES

# Shapes: N candidates, A arrival numbers, W projected width, H hidden, U distinct texts.


@dataclass(frozen=True, slots=True, kw_only=True)
class WorthOptions:
    """Of the controller "worth"."""

    width: int = 16
    """Width of the learned projection of text embeddings; 0 looks at numbers alone."""
    hidden: int = 32
    spread: float = 1.0
    """Bounds how far worths lie apart, at ``spread`` times the root of ``hidden`` at most: the more, the surer."""
    per_token: float = 1.0
    """What a text's worth loses with the logarithm of its tokens before anything is learned: 1 is worth per token."""
    bias: float = 4.0
    """What a Write is worth beyond its text while there is room for it, before anything is learned."""

    def __post_init__(self) -> None:
        check(self, "controller.options.", width="[0, inf)", hidden="[2, inf)", spread="(0, inf)")


class WorthNet(nn.Module):
    """Scores candidates by what their texts are worth."""

    critic = tokens = None

    def __init__(self, dim: int, options: WorthOptions) -> None:
        super().__init__()
        width, hidden = options.width, options.hidden
        self.project = nn.Linear(dim, width, bias=False) if width else None
        self.body = nn.Sequential(
            nn.Linear(width + NUM_ARRIVAL, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
        )  # fmt: skip
        self.direction = nn.Parameter(normalize(torch.randn(hidden), dim=0))
        self.per_token = nn.Parameter(torch.tensor(options.per_token))
        self.bias = nn.Parameter(torch.tensor(options.bias))
        self._spread = options.spread

    def texts(self, matrix_UE: Tensor, bag: None = None) -> Tensor:
        """[U + 1, W] projections; the last row: "no text"."""
        # Three times a unit vector's, so that a number of it counts like a plain number.
        projected = matrix_UE[:, :0] if self.project is None else 3 * self.project(matrix_UE)
        return torch.cat([projected, projected.new_zeros(1, projected.shape[1])])

    def worth(self, texts_NW: Tensor, numbers_NA: Tensor) -> Tensor:
        """[N] of each text."""
        hidden = self.body(torch.cat([texts_NW, numbers_NA], dim=1))
        hidden = layer_norm(hidden, (hidden.shape[1],))
        tokens = 4 * numbers_NA[:, _LOG_TOKENS]
        # A sum a row, so that a worth is the same to the last bit whatever else is in the batch.
        return self._spread * (hidden * normalize(self.direction, dim=0)).sum(1) - self.per_token * tokens

    def forward(self, texts_UW: Tensor, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor | None = None) -> Tensor:
        """Score of each candidate, [N]. Row -1 reads the last line of ``texts_UW``."""
        rows_N3 = rows_N3.remainder(len(texts_UW))
        enters, leaves = numbers_NF[:, 0], numbers_NF[:, 1]
        new, held = numbers_NF[:, FLAGS : FLAGS + NUM_ARRIVAL], numbers_NF[:, FLAGS + NUM_ARRIVAL :]
        entering = self.worth(embedding(rows_N3[:, 1], texts_UW), new) + self.bias * (1 - leaves)
        return enters * entering - leaves * self.worth(embedding(rows_N3[:, 2], texts_UW), held)


_LOG_TOKENS = ARRIVAL_NAMES.index("log_tokens")


class Worth(Scorer):
    """Samples who leaves from the softmax over the scores; greedy requests let the least worth leave."""

    def make_net(self, dim: int, config: Any, names: Sequence[str]) -> Any:
        return WorthNet(dim, config)


def _make(context: ControllerContext, options: WorthOptions) -> Worth:
    if context.names and tuple(context.names) != WORTH_NAMES:
        way_out = 'it reads the numbers of the offers "worth"; set controller.offers to that'
        raise ConfigError("controller.name", "worth", way_out)
    return Worth(context.table, options, context.seed, WORTH_NAMES)


register("controller", "worth", _make, WorthOptions)
