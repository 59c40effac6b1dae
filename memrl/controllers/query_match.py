"""Which tokens of a query matter, learned: how well an entry matches those, and whether a newer one does as well.

    tokens of the query [Q, E] ── salience of each, softmax over those that anything offered has ── w [H, Q]
    best match of each token in each entry [C, Q] (``entry_features``) ── sum over Q by w ── match [C, H]
                                                  ├── what is missing to the best match of the moment
                                                  └── how many newer entries match as well, softly counted

Late interaction (ColBERT, arXiv:2004.12832) with learned weights in place of rarity: a query names what it is about
among words that say nothing, and rarity alone cannot tell them apart.

Shapes: U texts, T tokens of all of them in a row, E width of a token vector, N candidates of D moments in a row, C
candidates of the largest moment, H saliences, Q tokens of a query that are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from memrl.contracts.errors import ConfigError
from memrl.controllers.entry_features import HIT
from memrl.controllers.token_pool import MATCH, Bag, best_of_moment, scaled

AGE, MATCHES = "read_age", "read_match_"
"""The numbers of an offer that it reads; all whose names begin with the second, in order, are one each token."""
NEVER = -1e4
SHARP = 10.0
"""Of the step from "matches less" to "matches as well"."""
AS_WELL = 0.1
"""How far below another a match may lie and still count for half."""


class QueryMatch(nn.Module):
    """Weighs the tokens of queries.

    Args:
        dim: E.
        heads: H.
        names: of an offer's numbers.

    Raises:
        ConfigError: the offers tell nothing token by token.
    """

    match_at: Tensor
    """[Q] where the matches of the tokens stand among the numbers."""

    def __init__(self, dim: int, heads: int, names: Sequence[str]) -> None:
        super().__init__()
        at = [i for i, name in enumerate(names) if name.startswith(MATCHES)]
        missing = [option for option, told in (("matches", bool(at)), ("story", AGE in names)) if not told]
        if missing:
            options = " and ".join(f"controller.offers_options.{option}" for option in missing)
            way_out = f"offers tell nothing token by token: take offers 'entries' and set {options}"
            raise ConfigError("controller.options.query_heads", heads, way_out)
        self.heads, self.age_at = heads, names.index(AGE)
        self.register_buffer("match_at", torch.tensor(at))
        self.salience = nn.Linear(dim, heads, bias=False)

    @property
    def width(self) -> int:
        """Columns of a text: H times Q."""
        return self.heads * len(self.match_at)

    def forward(self, bag: Bag) -> Tensor:
        """[U, H Q] salience of each text's first tokens; lowest where it has no more."""
        salience_TH = self.salience(scaled(bag))
        place_Q = 1 + torch.arange(len(self.match_at))  # a text begins with an empty token
        at_UQ = (bag.lengths.cumsum(0) - bag.lengths)[:, None] + place_Q
        there_UQ = place_Q < bag.lengths[:, None]
        found_UQH = salience_TH[at_UQ.clamp(max=len(salience_TH) - 1)]
        return found_UQH.masked_fill(~there_UQ[..., None], NEVER).transpose(1, 2).flatten(1)

    def compare(self, query_N: Tensor, texts_UW: Tensor, numbers_NF: Tensor, counts_D: Tensor | None) -> Tensor:
        """[N, 3H] match, what is missing to the best of the moment, and how many newer entries match as well.

        Args:
            query_N: rows of the queries in ``texts_UW``, which holds what ``forward`` gave.
        """
        matches_NQ = numbers_NF[:, self.match_at]
        found_NQ = best_of_moment(matches_NQ, counts_D) > HIT
        logits_NHQ = embedding(query_N, texts_UW).unflatten(1, (self.heads, -1))
        weights_NHQ = logits_NHQ.masked_fill(~found_NQ[:, None], NEVER).softmax(2)
        match_NH = (weights_NHQ * matches_NQ[:, None]).sum(2)
        missing_NH = best_of_moment(match_NH, counts_D) - match_NH
        newer_NH = _newer_as_well(match_NH, numbers_NF[:, self.age_at], counts_D)
        return torch.cat([MATCH * match_NH, MATCH * missing_NH, newer_NH], dim=1)


def _newer_as_well(match_NH: Tensor, age_N: Tensor, counts_D: Tensor | None) -> Tensor:
    """[N, H] log of one and the newer candidates of the moment that match as well, halved; 0 for Keep, the first."""
    if counts_D is None:
        return torch.zeros_like(match_NH)
    there_DC = torch.arange(int(counts_D.max()))[None, :] < counts_D[:, None]
    match_DCH = match_NH.new_zeros(*there_DC.shape, match_NH.shape[1])
    match_DCH[there_DC] = match_NH
    age_DC = age_N.new_zeros(there_DC.shape)
    age_DC[there_DC] = age_N
    entry_DC = there_DC & (torch.arange(there_DC.shape[1]) > 0)
    newer_DCC = (age_DC[:, None, :] < age_DC[:, :, None]) & entry_DC[:, None, :] & entry_DC[:, :, None]
    as_well = torch.sigmoid(SHARP * (match_DCH[:, None, :] - match_DCH[:, :, None] + AS_WELL))
    count_DCH = (as_well * newer_DCC[..., None]).sum(2)
    return (torch.log1p(count_DCH) / 2)[there_DC]
