"""The learned controller: one small network that scores every op on offer.

    rows [C, 3] ─ projection ─> observation o, new text w, touched text t ─┐
                                        o∘t, w∘t (does it speak of the same?) ├─> two layers ─> score [C] ─> softmax
    numbers [C, F] ───────────────────────────────────────────────────────┘

Token memory, graph and retrieval are one action space, so a new op needs no new network. The projection is
computed once per text, not once per candidate: scoring costs microseconds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding

from memrl.algos.losses import masked_log_softmax
from memrl.contracts.checks import check
from memrl.contracts.contexts import ControllerContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.offer_sets import stacked
from memrl.contracts.protocols import Chooser, ControllerRequest, OpChoice
from memrl.contracts.registry import register
from memrl.contracts.texts import TextTable
from memrl.contracts.types import OfferSet
from memrl.controllers.offers import NUMBER_NAMES
from memrl.controllers.query_match import QueryMatch
from memrl.controllers.token_pool import Bag, TokenBank, TokenPool

# Shapes: N candidates of all decisions in a row, D decisions, C candidates of the largest one, E embedding width,
# W projected width, F numbers, U distinct texts.


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerOptions:
    """Of the controller "scorer"."""

    width: int = 32
    """Width of the learned projection of text embeddings; 0 looks at numbers alone, which carry over to other texts."""
    hidden: int = 128
    features: int = 0
    """Detectors that look at every token of a text (``token_pool``), in place of or beside ``width``; 0 for none. What
    a text says shows in its words and not in their mean."""
    heads: int = 0
    """Saliences learned over the tokens of a text, for what two texts have in common; 0 for none."""
    query_heads: int = 0
    """Saliences learned over the tokens of a query, by which an entry's match counts (``query_match``); 0 for none. Of
    offers that tell of matches token by token."""
    layer: int = 3
    """Of the embedder whose tokens these three look at, if it has several: 1 to 6 for minilm."""
    subjects: bool = False
    """True shows it also what a text speaks of (the entity linker's subject), embedded by itself."""
    critic: bool = False
    """True gives it a value head, which the estimator ``gae`` then asks in place of the siblings."""
    prior: Mapping[str, float] = field(default_factory=dict)
    """Name of a number -> what it is worth to a score before anything is learned. The network learns what to add to
    that, and the worth is learned too; empty starts from chance."""

    def __post_init__(self) -> None:
        check(
            self, "controller.options.",
            width="[0, inf)", hidden="[1, inf)", features="[0, inf)", heads="[0, inf)",
            query_heads="[0, inf)", layer="[1, 6]",
        )  # fmt: skip
        for name, worth in self.prior.items():
            if isinstance(worth, bool) or not isinstance(worth, int | float):
                raise ConfigError(f"controller.options.prior.{name}", worth, "it must be a number")
        if self.heads and not self.features:
            raise ConfigError("controller.options.heads", self.heads, "give controller.options.features some, too")


class ScorerNet(nn.Module):
    """Scores candidates from text projections and numbers; with ``critic``, also values the state they stand in."""

    told_at: Tensor
    """Where the numbers stand that are looked at as they are."""
    prior_at: Tensor
    """Where the numbers of ``prior`` stand."""
    return_scale: Tensor
    """Running root mean square of the returns that the critic saw; 0 before the first."""

    def __init__(self, dim: int, config: ScorerOptions, names: Sequence[str] = NUMBER_NAMES) -> None:
        super().__init__()
        width, hidden, critic, subjects = config.width, config.hidden, config.critic, config.subjects
        self.project = nn.Linear(dim, width, bias=False) if width else _Nothing()
        self.subject = nn.Linear(dim, width, bias=False) if subjects else None
        self.tokens = TokenPool(dim, config.features, config.heads) if config.features else None
        self.query = QueryMatch(dim, config.query_heads, names) if config.query_heads else None
        matches = set() if self.query is None else set(self.query.match_at.tolist())
        self.register_buffer("told_at", torch.tensor([i for i in range(len(names)) if i not in matches]), False)
        seen = (7 if subjects else 5) * width + 3 * config.features + 4 * config.heads
        seen += 3 * config.query_heads + len(names) - len(matches)
        inner = [nn.Linear(seen, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()]
        last = nn.Linear(hidden, 1)
        self.head = nn.Sequential(*inner, last)
        self.prior: nn.Parameter | None = None
        if config.prior:
            self.register_buffer("prior_at", torch.tensor([_place(name, names) for name in config.prior]))
            self.prior = nn.Parameter(torch.tensor(list(config.prior.values()), dtype=torch.float32))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.critic = nn.Linear(hidden, 1) if critic else None
        if critic:
            self.register_buffer("return_scale", torch.zeros(()))

    def texts(self, matrix_UE: Tensor, bag: Bag | None = None) -> Tensor:
        """[U + 1, W], or [U + 1, 2W] with subjects: as a text, then as a subject. The last row: "no text".

        Behind that what the tokens of the texts say (``TokenPool``); ``bag`` holds those of the first texts.
        """
        # Unit vectors on purpose, so that numbers speak first: scaled up, they learn the training phrasings by heart.
        projected = self.project(matrix_UE)
        if self.subject is not None:
            projected = torch.cat([projected, self.subject(matrix_UE)], dim=1)
        pools = [] if bag is None else [pool(bag) for pool in (self.tokens, self.query) if pool is not None]
        if pools:
            projected = torch.cat([projected[: len(pools[0])], *pools], dim=1)
        return torch.cat([projected, projected.new_zeros(1, projected.shape[1])])

    def forward(self, texts_UW: Tensor, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor | None = None) -> Tensor:
        """Score of each candidate, [N]. Row -1 reads the last line of ``texts_UW``; ``counts_D`` are the candidates of
        each moment, None for one each."""
        scores = self.head[-1](self.features(texts_UW, rows_N3, numbers_NF, counts_D)).squeeze(1)
        return scores if self.prior is None else scores + numbers_NF[:, self.prior_at] @ self.prior

    def features(self, texts_UW: Tensor, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor | None = None) -> Tensor:
        """[N, hidden], what both heads read."""
        width = self.project.out_features
        rows_N3 = rows_N3.remainder(len(texts_UW))
        seen: list[Tensor] = []
        if width:
            o, w, t = embedding(rows_N3[:, :3], texts_UW[:, :width]).unbind(1)
            seen += [o, w, t, o * t, w * t]
        if self.subject is not None:
            seen += embedding(rows_N3[:, 3:], texts_UW[:, width : 2 * width]).unbind(1)
        if self.query is not None:
            texts_UW, asked = texts_UW[:, : -self.query.width], texts_UW[:, -self.query.width :]
            seen.append(self.query.compare(rows_N3[:, 0], asked, numbers_NF, counts_D))
            numbers_NF = numbers_NF[:, self.told_at]
        if self.tokens is not None:
            pooled = texts_UW[:, (1 + (self.subject is not None)) * width :]
            seen += self.tokens.compare(rows_N3[:, :3], pooled, counts_D)
        return self.head[:-1](torch.cat([*seen, numbers_NF], dim=1))


class _Nothing(nn.Module):
    """Texts to no numbers."""

    out_features = 0

    def forward(self, texts_UE: Tensor) -> Tensor:
        return texts_UE[:, :0]


def _place(name: str, names: Sequence[str]) -> int:
    """Where a number stands. Raises ConfigError."""
    if name not in names:
        near = ", ".join(difflib.get_close_matches(name, names, 3, 0.3)) or ", ".join(names[:8])
        raise ConfigError(
            "controller.options.prior", name, f"offers have no number of that name; near it there is {near}"
        )
    return names.index(name)


def pad_candidates(values_N: Tensor, counts_D: Tensor) -> tuple[Tensor, Tensor]:
    """Ragged candidates to a rectangle: values [D, C] and the mask of those that exist."""
    width = int(counts_D.max())
    mask = torch.arange(width)[None, :] < counts_D[:, None]
    padded = values_N.new_zeros(len(counts_D), width)
    padded[mask] = values_N
    return padded, mask


class Scorer(Chooser):
    """Samples from the softmax over the scores; greedy requests take the best.

    Args:
        table: the run's texts; their projections are cached until the weights change.
        names: [F] of the numbers of an offer.
    """

    def __init__(self, table: TextTable, config: Any, seed: int = 0, names: Sequence[str] = NUMBER_NAMES) -> None:
        generator_state = torch.get_rng_state()
        torch.manual_seed(seed)
        self.net = self.make_net(table.dim, config, names)
        torch.set_rng_state(generator_state)
        self.version = 0
        self._names = tuple(names)
        self._table = table
        self._counted = 0  # texts of the table, dropped ones included, whose tokens count as seen
        looks = getattr(config, "features", 0) or getattr(config, "query_heads", 0)
        self._bank = TokenBank(table) if looks else None
        self._cached: Tensor | None = None
        self._generation = table.generation

    def make_net(self, dim: int, config: Any, names: Sequence[str]) -> Any:
        """The network; a subclass brings another."""
        return ScorerNet(dim, config, names)

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.net.parameters()

    def bump(self) -> None:
        """The weights changed."""
        self.version += 1
        self._cached = None
        if self._bank is not None and self.net.tokens is not None:
            self._count_new(self._bank, self.net.tokens)

    def _count_new(self, bank: TokenBank, tokens: TokenPool) -> None:
        """Count the texts that are new in the table: between updates only, for a play must not change its weights."""
        first = max(self._counted - self._table.dropped, 0)
        if first < len(self._table):
            tokens.count(bank.take(np.arange(first, len(self._table))))
            self._counted = self._table.dropped + len(self._table)

    def choose(self, requests: Sequence[ControllerRequest]) -> list[OpChoice]:
        return pick_all(*self._logprobs(requests), requests)

    def offer_logprobs(self, requests: Sequence[ControllerRequest]) -> list[NDArray[np.float32]]:
        """Log-probabilities [C] of every request's offers; no gradients."""
        logprobs, counts = self._logprobs(requests)
        return np.split(logprobs, counts.cumsum()[:-1])

    def _logprobs(self, requests: Sequence[ControllerRequest]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Log-probabilities [N] of all requests' offers in a row, and how many each has [D]."""
        rows, numbers, counts = stacked([request.offers for request in requests])
        with torch.inference_mode():
            padded = [torch.from_numpy(one) for one in in_blocks(rows, numbers)]
            each = torch.from_numpy(np.append(counts, len(padded[0]) - len(rows)))  # the padding is a moment of its own
            scores = self.net(self._projected(), *padded, each)
        return log_softmax(scores.numpy()[: len(rows)], counts), counts

    def logprobs(self, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities [D, C] with gradients, and the mask of candidates that exist."""
        padded, mask = pad_candidates(self.net(*self._local(rows_N3), numbers_NF, counts_D), counts_D)
        return masked_log_softmax(padded, mask), mask

    @property
    def has_critic(self) -> bool:
        """Whether ``values`` and ``value_loss`` can be asked."""
        return self.net.critic is not None

    def values(self, offers: Sequence[OfferSet]) -> NDArray[np.float64]:
        """What the critic expects from each moment on, [D], in units of reward; no gradients."""
        every = stacked(offers)
        first = every.counts.cumsum() - every.counts
        rows, numbers = torch.from_numpy(every.rows[first]), torch.from_numpy(every.numbers[first])
        with torch.inference_mode():
            values_D = self._values(self._projected(), rows, numbers) * self.net.return_scale
        return values_D.double().numpy()

    def value_loss(self, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor, to_go_D: Tensor) -> Tensor:
        """Squared error of each value [D], in units of the returns' running root mean square.

        A moment is valued by its first offer, Keep: the text and the memory's numbers, and nothing to be done.
        """
        with torch.no_grad():
            seen, scale = to_go_D.square().mean().sqrt(), self.net.return_scale
            scale.copy_(torch.where(scale > 0, 0.9 * scale + 0.1 * seen, seen).clamp(min=1e-3))
        first_D = counts_D.cumsum(0) - counts_D
        values_D = self._values(*self._local(rows_N3[first_D]), numbers_NF[first_D])
        return (values_D - to_go_D / self.net.return_scale).square()

    def _values(self, texts_UW: Tensor, rows_D3: Tensor, numbers_DF: Tensor) -> Tensor:
        if self.net.critic is None:
            raise ConfigError("controller.options.critic", False, "this scorer has no value head; set it to true")
        return self.net.critic(self.net.features(texts_UW, rows_D3, numbers_DF)).squeeze(1)

    def _local(self, rows_N3: Tensor) -> tuple[Tensor, Tensor]:
        """Projections of the texts in use, with gradients, and the rows as they count there."""
        used, local = rows_N3.unique(return_inverse=True)
        rows = used.clamp(min=0)
        bag = None if self._bank is None else self._bank.take(rows.numpy().astype(np.int64))
        texts = self.net.texts(torch.from_numpy(self._table.matrix)[rows], bag)
        return texts, torch.where(rows_N3 < 0, len(used), local)

    def state_dict(self) -> dict[str, Any]:
        own = {"net": self.net.state_dict(), "version": self.version, "names": list(self._names)}
        return own | ({"counted": self._counted} if self._bank is not None else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if list(state.get("names", self._names)) != list(self._names):
            other = sorted(set(state["names"]) ^ set(self._names))
            way_out = f"these weights know offers by other numbers ({', '.join(other[:4]) or 'in another order'})"
            raise ConfigError("controller.offers", type(self).__name__, way_out)
        self.net.load_state_dict(state["net"])
        self.version = int(state["version"])
        self._counted = int(state.get("counted", 0))
        self._cached = None

    def _projected(self) -> Tensor:
        """Projection of every text of the table; only texts that are new since the last call are computed."""
        if self._generation != self._table.generation:
            self._cached, self._generation = None, self._table.generation
        known = 0 if self._cached is None else len(self._cached) - 1
        if self._cached is None or known < len(self._table):
            [new] = in_blocks(self._table.matrix[known:])
            bag = None if self._bank is None else self._bank.take(np.arange(known, len(self._table)))
            fresh = self.net.texts(torch.from_numpy(new), bag)
            fresh = torch.cat([fresh[: len(self._table) - known], fresh[-1:]])
            self._cached = fresh if self._cached is None else torch.cat([self._cached[:-1], fresh])
        return self._cached


BLOCK = 32
"""A matrix product adds up a row in the same order wherever it stands, if the number of rows is a multiple of this."""


def in_blocks(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Each array with lines of zeros at its end, up to a multiple of ``BLOCK``: what a network says of a line is then
    the same to the last bit, whatever other lines are in the batch."""
    missing = -len(arrays[0]) % BLOCK
    return [np.concatenate([one, np.zeros((missing, *one.shape[1:]), dtype=one.dtype)]) for one in arrays]


def log_softmax(scores_N: NDArray[np.float32], counts_D: NDArray[np.int64]) -> NDArray[np.float32]:
    """[N] log-softmax within each decision's own candidates, which stand in a row; summed in double precision."""
    starts = counts_D.cumsum() - counts_D
    scores = scores_N.astype(np.float64)
    scores -= np.repeat(np.maximum.reduceat(scores, starts), counts_D)
    scores -= np.repeat(np.log(np.add.reduceat(np.exp(scores), starts)), counts_D)
    return scores.astype(np.float32)


def pick_all(
    logprobs_N: NDArray[np.float32], counts_D: NDArray[np.int64], requests: Sequence[ControllerRequest]
) -> list[OpChoice]:
    """``pick`` for every request at once; the candidates of each stand in a row."""
    width = int(counts_D.max())
    exists = np.arange(width) < counts_D[:, None]
    likely = np.zeros((len(counts_D), width))
    likely[exists] = np.exp(logprobs_N.astype(np.float64))
    cumulative = likely.cumsum(axis=1)
    draws = np.array([0.0 if request.greedy else request.rng.random() for request in requests])
    chosen = (cumulative <= (draws * cumulative[:, -1])[:, None]).sum(axis=1)
    if any(request.greedy for request in requests):
        greedy = np.array([request.greedy for request in requests])
        lines = np.full(exists.shape, -np.inf, dtype=np.float32)
        lines[exists] = logprobs_N
        chosen = np.where(greedy, lines.argmax(axis=1), chosen)
    chosen = np.minimum(chosen, counts_D - 1)
    taken = logprobs_N[counts_D.cumsum() - counts_D + chosen]
    return list(map(OpChoice, chosen.tolist(), taken.tolist()))


def pick(logprobs_C: NDArray[np.floating], request: ControllerRequest) -> OpChoice:
    """The likeliest offer for a greedy request, else one drawn with one number of the request's own generator."""
    if request.greedy:
        index = int(logprobs_C.argmax())
    else:
        cumulative = np.exp(logprobs_C.astype(np.float64)).cumsum()
        index = int(np.searchsorted(cumulative, request.rng.random() * cumulative[-1], side="right"))
        index = min(index, len(logprobs_C) - 1)
    return OpChoice(index, float(logprobs_C[index]))


def _make(context: ControllerContext, options: ScorerOptions) -> Scorer:
    if options.features or options.query_heads:
        name = "features" if options.features else "query_heads"
        context.table.keep_tokens(f"controller.options.{name}", context.cache, options.layer)
    return Scorer(context.table, options, context.seed, context.names or NUMBER_NAMES)


register("controller", "scorer", _make, ScorerOptions)
