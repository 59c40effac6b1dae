"""A very small policy for observations with choices: it scores each choice against what it reads and draws one by its
softmax, in the line of DRRN (He et al. 2016, arXiv:1511.04636).

    choice's words ─┬─> where else they occur: memory, observation, own commands ─> attention, HEADS heads ─┐
                    └─> what was learned of them ───────────────────────────────────────────────────────────┤
    observation's words, newest command's words ─> what was learned of them ────────────────────────────────┤
                                                                           two layers ─> score of the choice

DRRN knows words by embeddings alone. Here identical words meet as well (pointer networks, arXiv:1506.03134), so that
what is learned of one name holds for names never met. Some ten thousand weights, no download; thousands of decisions a
second on one core. It can say nothing but a choice, nor think: for that there is ``hf``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from memrl.contracts.checks import check
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.types import Choose, TokenDecision
from memrl.policies.choice_reading import (
    BUCKETS,
    CHOICE_NUMBERS,
    EVENT_NUMBERS,
    SPAN,
    Ids,
    Reading,
    encode,
    read,
)
from memrl.policies.parsing import parse
from memrl.policies.pointer import words
from memrl.policies.small_net import SmallNet

# Shapes: D decisions, C choices of the most that one has, N all choices in a row, V events, K occurrences, J words of
# choices, E width, H hidden.

HEADS, VALUES = 4, 8
STEEP = 8.0
"""Largest size of an attention logit: a head then sees one event among thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooserOptions:
    loads_model: ClassVar[bool] = False
    width: int = 8
    """Of what is learned of a word."""
    hidden: int = 48
    unknown: float = 0.0
    """Share of all words that each step of the warm start shows as unknown (word dropout, Iyyer et al. 2015, ACL
    P15-1162), so that less is learned by heart. Words that did not occur there stay unknown."""

    def __post_init__(self) -> None:
        check(self, "policy.options.", unknown="[0, 1)")
        for name in ("width", "hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"policy.options.{name}", getattr(self, name), "it must be at least 1")


class ChooserNet(nn.Module):
    """Scores choices."""

    met: Tensor
    """[BUCKETS + 1] words that occurred in training mode."""

    def __init__(self, options: ChooserOptions) -> None:
        super().__init__()
        width, hidden = options.width, options.hidden
        self.unknown = options.unknown
        self.words = nn.Embedding(BUCKETS + 1, width)
        nn.init.normal_(self.words.weight, std=0.1)
        self.register_buffer("met", torch.zeros(BUCKETS + 1, dtype=torch.bool), persistent=bool(options.unknown))
        self.occurrence = nn.Linear(SPAN * width, hidden)
        self.spoken = nn.Linear(SPAN * width, hidden, bias=False)
        self.numbers = nn.Linear(EVENT_NUMBERS, hidden, bias=False)
        self.attend = nn.Linear(hidden, HEADS * (1 + VALUES))
        self.score = nn.Sequential(
            nn.Linear(3 * width + CHOICE_NUMBERS + HEADS * VALUES, hidden), nn.SiLU(), nn.Linear(hidden, 1)
        )

    def forward(self, readings: Sequence[Reading]) -> Tensor:
        """[N] scores of all choices of all readings, in order."""
        table_BE = self._table(readings)
        counts = [len(one.lengths) for one in readings]
        events_V3 = _joined([one.events_V3 for one in readings], [counts, *_sizes(readings)])
        hidden_VH = (
            self.occurrence(_read(table_BE, [one.occurrences for one in readings]))[events_V3[:, 1]]
            + self.spoken(_read(table_BE, [one.spoken for one in readings]))[events_V3[:, 2]]
            + self.numbers(_stacked([one.event_numbers for one in readings]))
        )
        pooled_NA = self._pooled(F.silu(hidden_VH), events_V3[:, 0], sum(counts))
        times = torch.tensor(counts)
        parts = [
            _bags(table_BE, [one.choices for one in readings], np.concatenate([one.lengths for one in readings])),
            _bags(table_BE, [one.seen for one in readings]).repeat_interleave(times, 0),
            _bags(table_BE, [one.done for one in readings]).repeat_interleave(times, 0),
            _stacked([one.choice_numbers for one in readings]),
            pooled_NA,
        ]
        return self.score(torch.cat(parts, dim=1)).squeeze(1)

    def _table(self, readings: Sequence[Reading]) -> Tensor:
        """[BUCKETS + 1, E] what is known of each word, the last being one that is not known.

        In training mode words are unknown at random; else those are that never occurred then, if any did.
        """
        weights, met = self.words.weight, self.met
        if not self.unknown:
            return weights
        if self.training:
            for one in readings:
                for ids in (one.occurrences, one.spoken, one.choices, one.seen, one.done):
                    met[torch.from_numpy(ids).flatten()] = True
            known = torch.rand(len(met)) >= self.unknown
        else:
            known = met | ~met.any()
        return weights[torch.arange(len(met)).where(known, BUCKETS)]

    def _pooled(self, hidden_VH: Tensor, choice_V: Tensor, count: int) -> Tensor:
        """[N, HEADS·VALUES] each head's mean over a choice's events and one more that is empty."""
        logits_VH, values = self.attend(hidden_VH).split([HEADS, HEADS * VALUES], dim=1)
        weights_VH = (STEEP * torch.tanh(logits_VH / STEEP)).exp()
        values_VHA = values.view(-1, HEADS, VALUES) * weights_VH[:, :, None]
        total_NHA = hidden_VH.new_zeros(count, HEADS, VALUES).index_add(0, choice_V, values_VHA)
        weight_NH = hidden_VH.new_ones(count, HEADS).index_add(0, choice_V, weights_VH)
        return (total_NHA / weight_NH[:, :, None]).flatten(1)


def _read(table_BE: Tensor, places: Sequence[np.ndarray]) -> Tensor:
    """[K, SPAN·E]"""
    return F.embedding(_stacked(places), table_BE).flatten(1)


def _bags(table_BE: Tensor, bags: Sequence[np.ndarray], lengths: np.ndarray | None = None) -> Tensor:
    """[B, E] mean of what was learned of each bag's words; 0 of an empty one.

    Args:
        lengths: [B] of the bags, where several stand in one array.
    """
    sizes = np.array([len(bag) for bag in bags]) if lengths is None else lengths
    starts = torch.from_numpy(sizes.cumsum() - sizes)
    return F.embedding_bag(_stacked(bags), table_BE, starts, mode="mean")


def _stacked(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays))


def _sizes(readings: Sequence[Reading]) -> tuple[list[int], list[int]]:
    """Occurrences, and words of choices, of each reading."""
    return [len(one.occurrences) for one in readings], [len(one.spoken) for one in readings]


def _joined(events: Sequence[np.ndarray], sizes: Sequence[Sequence[int]]) -> Tensor:
    """[V, 3] events of several readings, their numbers counted through."""
    starts = np.array([np.cumsum([0, *one[:-1]]) for one in sizes]).T
    return torch.from_numpy(np.concatenate([one + start for one, start in zip(events, starts, strict=True)]))


class ChooserPolicy(SmallNet[ChooserNet]):
    """Draws one choice; a sample depends on its request's seed alone. See the module for what it is.

    A decision's one action id is the place of the choice among the observation's.
    """

    only_choices = True

    def __init__(self, options: ChooserOptions, *, seed: int = 0, temperature: float = 1.0) -> None:
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        super().__init__(ChooserNet(options))
        torch.set_rng_state(state)
        self._temperature = temperature

    def count_tokens(self, text: str) -> int:
        """Words, at least one."""
        return max(1, len(words(text)))

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One choice a request, in order.

        Raises:
            ConfigError: a request offers no choices.
        """
        if not requests:
            return []
        prompts = [self.encode(request) for request in requests]
        with torch.inference_mode():
            logprobs_DC = self._logprobs(prompts).numpy()
        return [
            self._decision(request, prompt, line)
            for request, prompt, line in zip(requests, prompts, logprobs_DC, strict=True)
        ]

    def encode(self, request: SampleRequest) -> Ids:
        """What it reads, as ids: brief, memory, notes, observation, choices, each opened by its mark.

        Raises:
            ConfigError: there are no choices, or one has no word.
        """
        observation = request.observation
        if not observation.choices or not all(words(choice) for choice in observation.choices):
            asked = f"env {request.task.env!r} asks for an action at observation {observation.id!r}"
            lacks = "offers a choice without a word" if observation.choices else "offers no choices"
            raise ConfigError("policy.name", "chooser", f"{asked} and {lacks}; use 'pointer' or 'hf'")
        return encode(request)

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [R, 1] of choices with gradients, and the mask of those that exist."""
        logprobs_DC = self._logprobs([tuple(prompt) for prompt, _ in rows])
        chosen_R1 = torch.tensor([list(action) for _, action in rows])
        return logprobs_DC.gather(1, chosen_R1), torch.ones(chosen_R1.shape, dtype=torch.bool)

    def answer_rows(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """Each request's prompt, and the place of a given answer among its choices.

        Raises:
            InputError: an answer is none of the choices.
        """
        rows: list[tuple[Ids, Ids]] = []
        for request, answer in zip(requests, answers, strict=True):
            action = parse(answer, request)
            prompt = self.encode(request)
            if not isinstance(action, Choose):
                way_out = "teach it nothing (warm_start.steps = 0, learner.rereads = 0), or use another policy"
                raise InputError(f"policy 'chooser' cannot say {answer!r}, which is none of the choices; {way_out}")
            rows.append((prompt, (action.index,)))
        return rows

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        """Log-probability of each given answer. No gradients."""
        with torch.inference_mode():
            return self.token_logprobs(self.answer_rows(requests, answers))[0].sum(1).tolist()

    def _logprobs(self, prompts: Sequence[Ids]) -> Tensor:
        """[D, C], -inf where there is no choice."""
        readings = [read(prompt) for prompt in prompts]
        counts = torch.tensor([len(one.lengths) for one in readings])
        scores = self.net(readings) / self._temperature
        there = torch.arange(int(counts.max()))[None, :] < counts[:, None]
        return torch.full(there.shape, -torch.inf).masked_scatter(there, scores).log_softmax(1)

    def _decision(self, request: SampleRequest, prompt: Ids, logprobs_C: np.ndarray) -> TokenDecision:
        choices = request.observation.choices
        index = _drawn(logprobs_C[: len(choices)], None if request.greedy else request.seed)
        return TokenDecision(
            actor=request.actor,
            action=Choose(index, choices[index]),
            memory_hash=request.memory_hash,
            prompt_ids=prompt,
            action_ids=(index,),
            logprobs=(min(0.0, float(logprobs_C[index])),),
        )


def _drawn(logprobs_C: np.ndarray, seed: int | None) -> int:
    """The likeliest choice, the first of several; with a seed, one by its probability."""
    if seed is None:
        return int(logprobs_C.argmax())
    cumulative = np.exp(logprobs_C.astype(np.float64)).cumsum()
    place = int(np.searchsorted(cumulative, np.random.default_rng(seed).random() * cumulative[-1], side="right"))
    return min(place, len(logprobs_C) - 1)


def _make(context: PolicyContext, options: ChooserOptions) -> ChooserPolicy:
    return ChooserPolicy(options, seed=context.seed, temperature=context.config.temperature)


register("policy", "chooser", _make, ChooserOptions)
