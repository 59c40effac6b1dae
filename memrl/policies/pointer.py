"""A very small policy that points: every word it says stands somewhere in what it reads (pointer networks,
arXiv:1506.03134; a word's probability is summed over its places, as in arXiv:1704.04368).

    words of brief, memory, observation, choices ─┬─> their neighbours, and which of those the observation repeats ─┐
    words said so far ────────────────────────────┴─> which places continue them ───────────────────────────────────┤
                                                                               two layers ─> score of each place

Some thousand weights, no download, no warm start: it learns from reward alone on one core, so a game of one's own can
be tried in minutes. It cannot say a word that it does not read, nor count, nor reason: for that there is ``hf``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memory_stores.words import FUNCTION_WORDS
from memrl.contracts.calls import Calls
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.protocols import SampleRequest
from memrl.contracts.registry import register
from memrl.contracts.types import TokenDecision
from memrl.policies.call_rule import Allowed, CallRule, Spelling, sayable
from memrl.policies.parsing import parse
from memrl.policies.small_net import SmallNet

# Shapes: R rows, A words of the longest answer, C places of the longest prompt and "end", N places in a row, F numbers.

END = 0
LINE, SEEN, HEAD, CHOICE = 1, 2, 3, 4
"""Marks that open a line of memory, the observation, the brief, a choice."""
FIRST = 8
"""The least id of a word; smaller ones are marks."""
REACH = 6
"""Words to the left and right of a place that tell about it."""
NEAR = tuple(a for a in range(-3, 4) if a)
BUCKETS = 1024
LATE = 3
"""Words said after which it no longer counts them."""
AROUND = 2 * REACH + 1
NUMBERS = 4 + 2 * AROUND + 1 + LATE + 1 + 1

Ids = tuple[int, ...]
Row = tuple[Sequence[int], Sequence[int]]
"""A prompt, and the words that were said to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerOptions:
    loads_model: ClassVar[bool] = False
    width: int = 6
    """Of what is learned of a neighbouring word."""
    hidden: int = 32
    writes: bool = False
    """It writes texts of many words, such as a memory: it then sees which words it has said (coverage, as in
    arXiv:1704.04368), and where lines break."""
    content: bool = True
    """False tells all but function words apart by where they stand alone: names and verbs all look the same, and what
    it learns holds for those that it has never met."""

    def __post_init__(self) -> None:
        for name in ("width", "hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"policy.options.{name}", getattr(self, name), "it must be at least 1")


class Places(NamedTuple):
    """Where the next word may be copied from, "end" last."""

    ids: NDArray[np.int64]
    """[C] the word that stands there; END for the last."""
    near: NDArray[np.int64]
    """[C, 6] buckets of the neighbouring words; the last bucket for none."""
    numbers: NDArray[np.float32]
    """[C, F]"""


class PointerNet(nn.Module):
    """Scores places."""

    def __init__(self, options: PointerOptions) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS + 1 + (not options.content), options.width)
        nn.init.normal_(self.words.weight, std=0.1)
        self.layers = nn.Sequential(
            nn.Linear(len(NEAR) * options.width + NUMBERS + AROUND * options.writes, options.hidden),
            nn.SiLU(),
            nn.Linear(options.hidden, 1),
        )

    def forward(self, near_N6: Tensor, numbers_NF: Tensor) -> Tensor:
        """[N]"""
        return self.layers(torch.cat([self.words(near_N6).flatten(1), numbers_NF], dim=1)).squeeze(1)


class PointerPolicy(SmallNet[PointerNet]):
    """Samples word after word; a sample depends on its request's seed alone. See the module for what it is.

    Args:
        max_words: of one answer.
    """

    takes_calls = True

    def __init__(self, options: PointerOptions, *, seed: int = 0, max_words: int = 8, temperature: float = 1.0) -> None:
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        super().__init__(PointerNet(options))
        torch.set_rng_state(state)
        self._max_words, self._temperature = max_words, temperature
        self._writes, self._content = options.writes, options.content
        self._word_of: dict[int, str] = {}

    def count_tokens(self, text: str) -> int:
        """Words, at least one."""
        return max(1, len(words(text)))

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        """One answer a request, in order."""
        prompts = [self.encode(request) for request in requests]
        rngs = [np.random.default_rng(request.seed) for request in requests]
        said: list[list[int]] = [[] for _ in requests]
        told: list[list[float]] = [[] for _ in requests]
        most = [self._most(request) for request in requests]
        rules = [_rule(request.calls, prompt) for request, prompt in zip(requests, prompts, strict=True)]
        open_ = [i for i, rule in enumerate(rules) if rule is None or rule.allowed().only != frozenset()]
        while open_:
            places = [_places(prompts[i], said[i], self._writes, self._content) for i in open_]
            allowed = [None if (rule := rules[i]) is None else rule.allowed() for i in open_]
            with torch.inference_mode():
                logprobs_RC = self._logprobs(places, allowed).numpy()
            for i, place, line in zip(open_, places, logprobs_RC, strict=True):
                line = line[: len(place.ids)]
                word = _drawn(place.ids, line, None if requests[i].greedy else float(rngs[i].random()))
                said[i].append(word)
                told[i].append(float(np.logaddexp.reduce(line[place.ids == word].astype(np.float64))))
                if (rule := rules[i]) is not None:
                    rule.say(word)
            open_ = [i for i in open_ if said[i][-1] != END and len(said[i]) < most[i]]
        return [
            self._decision(request, prompt, tuple(ids), tuple(logprobs))
            for request, prompt, ids, logprobs in zip(requests, prompts, said, told, strict=True)
        ]

    def _most(self, request: SampleRequest) -> int:
        """Words that an answer may have, its end included."""
        own = request.brief.max_new_tokens
        return self._max_words if own is None else own

    def encode(self, request: SampleRequest) -> Ids:
        """What it reads, as ids: brief, memory, observation, choices, each opened by its mark."""
        parts = [(HEAD, request.brief.header), *((LINE, line.text) for line in request.view)]
        parts += [(LINE, text) for text in request.scratch]
        seen = request.observation.text
        parts += [(SEEN, text) for text in (seen.split("\n") if self._writes else [seen])]
        parts += [(CHOICE, text) for text in request.observation.choices]
        return tuple(id for mark, text in parts for id in (mark, *self._ids(text)))

    def token_logprobs(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [R, A] of sampled words with gradients, and the mask of those that exist."""
        return self.call_logprobs(rows, [None] * len(rows))

    def call_logprobs(self, rows: Sequence[Row], calls: Sequence[Calls | None]) -> tuple[Tensor, Tensor]:
        """The same, among what was allowed at each place of a row that was said under calls."""
        width = max(len(action) for _, action in rows)
        mask_RA = torch.tensor([[t < len(action) for t in range(width)] for _, action in rows])
        places = [
            _places(tuple(prompt), action[:t], self._writes, self._content)
            for prompt, action in rows
            for t in range(len(action))
        ]
        allowed = [found for row, spoken in zip(rows, calls, strict=True) for found in _along(row, spoken)]
        chosen = [id for _, action in rows for id in action]
        logprobs_DC = self._logprobs(places, allowed)
        same_DC = torch.zeros(logprobs_DC.shape, dtype=torch.bool)
        for line, place, id in zip(same_DC, places, chosen, strict=True):
            line[: len(place.ids)] = torch.from_numpy(place.ids == id)
        found = logprobs_DC.masked_fill(~same_DC, -torch.inf).logsumexp(1)
        return torch.zeros(mask_RA.shape).masked_scatter(mask_RA, found), mask_RA

    def answer_rows(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[tuple[Ids, Ids]]:
        """Each request's prompt, and the words of a given answer to it with "end", which a full answer lacks.

        Raises:
            InputError: a word of the answer is none that it reads.
        """
        rows: list[tuple[Ids, Ids]] = []
        for request, answer in zip(requests, answers, strict=True):
            prompt, ids = self.encode(request), tuple(self._ids(answer))
            if strange := [word for word, id in zip(words(answer), ids, strict=True) if id not in prompt]:
                way_out = "teach it nothing (warm_start.steps = 0, learner.rereads = 0), or use another policy"
                raise InputError(f"policy 'pointer' cannot say {strange[0]!r}, which it does not read; {way_out}")
            limit = request.brief.max_new_tokens or self._max_words
            rows.append((prompt, (*ids, END)[:limit]))
        return rows

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        """Log-probability of each given answer, its "end" included. No gradients."""
        with torch.inference_mode():
            return self.token_logprobs(self.answer_rows(requests, answers))[0].sum(1).tolist()

    def _logprobs(self, places: Sequence[Places], allowed: Sequence[Allowed | None]) -> Tensor:
        """[D, C], -inf where there is no place, or a word that is not allowed."""
        counts = torch.tensor([len(place.ids) for place in places])
        near = torch.from_numpy(np.concatenate([place.near for place in places]))
        numbers = torch.from_numpy(np.concatenate([place.numbers for place in places]))
        scores = self.net(near, numbers) / self._temperature
        there = torch.arange(int(counts.max()))[None, :] < counts[:, None]
        padded = torch.full(there.shape, -torch.inf).masked_scatter(there, scores)
        if any(one is not None for one in allowed):
            barred = torch.zeros(there.shape, dtype=torch.bool)
            for line, place, one in zip(barred, places, allowed, strict=True):
                if one is not None:
                    line[: len(place.ids)] = torch.from_numpy(_barred(place.ids, one))
            padded = padded.masked_fill(barred, -torch.inf)
        return padded.log_softmax(1)

    def _ids(self, text: str) -> Iterator[int]:
        for word in words(text):
            id = word_id(word)
            self._word_of[id] = word
            yield id

    def _decision(self, request: SampleRequest, prompt: Ids, ids: Ids, logprobs: tuple[float, ...]) -> TokenDecision:
        return TokenDecision(
            actor=request.actor,
            action=parse(" ".join(self._word_of[id] for id in ids if id != END), request),
            memory_hash=request.memory_hash,
            prompt_ids=prompt,
            action_ids=ids,
            logprobs=logprobs,
            calls=request.calls,
        )


def _spelled(text: str) -> Ids:
    return tuple(map(word_id, words(text)))


_SPELLING = Spelling(ids=_spelled, first=_spelled, stops=frozenset({END}))


def _rule(calls: Calls | None, prompt: Ids) -> CallRule | None:
    """Calls, as far as their words stand in the prompt."""
    return None if calls is None else CallRule(sayable(calls, _SPELLING, prompt), _SPELLING)


def _along(row: Row, calls: Calls | None) -> list[Allowed | None]:
    prompt, action = row
    rule = _rule(calls, tuple(prompt))
    return [None] * len(action) if rule is None else list(rule.along(action))


def _barred(ids_C: NDArray[np.int64], allowed: Allowed) -> NDArray[np.bool_]:
    """[C] the places of words that are not allowed."""
    named = allowed.but if allowed.only is None else allowed.only
    among = (ids_C[:, None] == np.array(list(named), dtype=np.int64)).any(1)
    return among if allowed.only is None else ~among


@lru_cache(maxsize=65_536)
def words(text: str) -> tuple[str, ...]:
    """Lower-case words and numbers, without punctuation."""
    return tuple(re.findall(r"[^\W_]+", text.lower()))


@lru_cache(maxsize=65_536)
def word_id(word: str) -> int:
    """The same in every process."""
    return FIRST + crc32(word.encode()) % (2**31 - FIRST)


FUNCTION_IDS = np.array(sorted(map(word_id, FUNCTION_WORDS)))


@lru_cache(maxsize=65_536)
def _read(prompt: Ids, content: bool = True) -> tuple[Places, NDArray[np.int64]]:
    """What does not depend on what was said: places, and [C, 2·REACH+1] the ids around each, 0 beyond its line."""
    ids = np.array(prompt, dtype=np.int64)
    line = (ids < FIRST).cumsum()
    places = np.flatnonzero(ids >= FIRST)
    seen = ids[places][_mark_of(ids, line)[places] == SEEN]
    at = places[:, None] + np.arange(AROUND)
    around = np.pad(ids, REACH)[at]
    around[(np.pad(line, REACH)[at] != line[places, None]) | (around < FIRST)] = 0
    around = np.concatenate([around, np.zeros((1, AROUND), dtype=np.int64)])
    numbers = np.zeros((len(places) + 1, NUMBERS), dtype=np.float32)
    numbers[np.arange(len(places)), _mark_of(ids, line)[places] - 1] = 1.0
    repeats = np.isin(around, seen)
    repeats[:, REACH] &= numbers[:, SEEN - 1] == 0  # that the observation repeats itself says nothing
    numbers[:, 4 : 4 + repeats.shape[1]] = repeats
    numbers[:-1, -LATE - 3] = (line.max() - line[places]) / 8.0
    numbers[-1, -1] = 1.0
    near = around[:, [REACH + a for a in NEAR]]
    buckets = np.where(near >= FIRST, near % BUCKETS, BUCKETS)
    if not content:
        buckets[(near >= FIRST) & ~np.isin(near, FUNCTION_IDS)] = BUCKETS + 1
    return Places(np.append(ids[places], END), buckets, numbers), around


def _places(prompt: Ids, said: Sequence[int], writes: bool, content: bool = True) -> Places:
    """Where the next word may come from, after those that were said."""
    places, around = _read(prompt, content)
    numbers = places.numbers.copy()
    start = 4 + AROUND
    if said:
        numbers[:, start : start + AROUND] = around == said[-1]
    numbers[:, -LATE - 2 + min(len(said), LATE)] = 1.0
    if writes:
        told = (around[:, :, None] == np.array(said, dtype=np.int64)).any(2)
        numbers = np.concatenate([numbers, told.astype(np.float32)], axis=1)
    return Places(places.ids, places.near, numbers)


def _mark_of(ids: NDArray[np.int64], line: NDArray[np.int64]) -> NDArray[np.int64]:
    return ids[ids < FIRST][line - 1]


def _drawn(ids: NDArray[np.int64], logprobs: NDArray[np.float32], uniform: float | None) -> int:
    """A word by its summed probability: the likeliest, or the one at ``uniform`` of the places in their order."""
    if uniform is not None:
        cumulative = np.exp(logprobs.astype(np.float64)).cumsum()
        place = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
        return int(ids[min(place, len(ids) - 1)])
    different, where = np.unique(ids, return_inverse=True)
    return int(different[np.bincount(where, np.exp(logprobs.astype(np.float64))).argmax()])


def _make(context: PolicyContext, options: PointerOptions) -> PointerPolicy:
    config = context.config
    return PointerPolicy(options, seed=context.seed, max_words=config.max_new_tokens, temperature=config.temperature)


register("policy", "pointer", _make, PointerOptions)
