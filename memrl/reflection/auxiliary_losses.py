"""Lessons as shares of the loss, each normalised by its own count.

Nothing here touches the reward of the attempt that failed: its own decisions are learned from its own rewards alone,
so an agent cannot earn by failing first. A lesson only moves likelihood towards the better op or answer.

Shapes: D decisions, C offers of the largest one, R rows, A tokens of the longest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from memrl.algos.losses import answer_loss, preference_loss
from memrl.contracts.generation import ONLY, Turn
from memrl.contracts.learning import Lesson
from memrl.contracts.types import OpDecision, TokenDecision


class Scores(Protocol):
    """What the controller's lessons need of it."""

    def logprobs(self, rows_N3: Tensor, numbers_NF: Tensor, counts_D: Tensor) -> tuple[Tensor, Tensor]: ...


class Reads(Protocol):
    """What the policy's lessons need of it."""

    def token_logprobs(self, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]: ...


def offer_logprobs(scorer: Scores, decisions: Sequence[OpDecision]) -> Tensor:
    """[D, C] of recorded offers under the weights as they are, with gradients."""
    rows = torch.from_numpy(np.concatenate([d.offers.rows for d in decisions]))
    numbers = torch.from_numpy(np.concatenate([d.offers.numbers for d in decisions]))
    counts = torch.tensor([len(d.offers.ops) for d in decisions])
    return scorer.logprobs(rows, numbers, counts)[0]


@dataclass(slots=True)
class OpDistil:
    """Cross-entropy to the better op at the recorded offers: ``-weight sum_D w_d log p(better)``, the w summing to 1.

    Each kind of better op weighs as much as the root of its count, so that the many lessons to leave memory alone do
    not silence the few to change it.
    """

    scorer: Scores
    lessons: Sequence[Lesson]
    weight: float
    name: str = "lesson_ops"
    every_step: bool = True
    """The controller's lessons are cheap and are read as often as its own decisions."""

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        better_D = torch.tensor([lesson.better for lesson in self.lessons])
        logprobs_DC = offer_logprobs(self.scorer, [lesson.decision for lesson in self.lessons])
        chosen_D = logprobs_DC.gather(1, better_D[:, None]).squeeze(1)
        loss = -(kind_weights(self.lessons) * chosen_D).sum()
        (self.weight * loss).backward()
        return {"loss": loss.item(), "p_better": float(chosen_D.detach().exp().mean())}


def kind_weights(lessons: Sequence[Lesson]) -> Tensor:
    """[D] weights that sum to 1: within a kind of better op equal, between kinds by the root of their counts."""
    kinds = [type(lesson.decision.offers.ops[lesson.better]) for lesson in lessons]
    counts = Counter(kinds)
    weights_D = torch.tensor([counts[kind] ** -0.5 for kind in kinds])
    return weights_D / weights_D.sum()


class Preference:
    """DPO between the better and the worse of each pair, weighted; a subclass says what the pairs are.

    Make it before the update: the reference is the weights that sampled, and it takes their margins there and then.
    """

    name = ""
    every_step = False

    def __init__(self, weight: float, beta: float) -> None:
        self._weight, self._beta = weight, beta
        with torch.no_grad():
            self._reference_D = self._margins()

    def _margins(self) -> Tensor:
        """[D] log-probability of each pair's better less that of its worse, with gradients."""
        raise NotImplementedError(f"{type(self).__name__} is a Preference and must define _margins()")

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        margin_D = self._margins()
        loss = preference_loss(margin_D, self._reference_D, self._beta)
        (self._weight * loss).backward()
        return {"loss": loss.item(), "margin": float(margin_D.detach().mean()), "rows": float(len(margin_D))}


class OpPreference(Preference):
    """Between the better op and the one taken, both offered at the same decision."""

    name = "lesson_ops"
    every_step = True

    def __init__(self, scorer: Scores, lessons: Sequence[Lesson], weight: float, beta: float) -> None:
        self._scorer, self._lessons = scorer, lessons
        super().__init__(weight, beta)

    def _margins(self) -> Tensor:
        logprobs_DC = offer_logprobs(self._scorer, [lesson.decision for lesson in self._lessons])
        pairs_D2 = torch.tensor([[lesson.better, lesson.decision.choice] for lesson in self._lessons])
        better_D, taken_D = logprobs_DC.gather(1, pairs_D2).unbind(1)
        return better_D - taken_D


class Second(NamedTuple):
    """A second attempt that was right, to be learned as the first."""

    prompt_ids: tuple[int, ...]
    """Of the first attempt, without any reflection."""
    first_ids: tuple[int, ...]
    """What it answered then, wrong."""
    second_ids: tuple[int, ...]
    """What it answered with the reflection in view, right."""


@dataclass(slots=True)
class AnswerDistil:
    """Cross-entropy of right second answers after the first prompt: ``-weight mean_R mean_A log p(token)``."""

    policy: Reads
    seconds: Sequence[Second]
    weight: float
    name: str = "lesson_answers"

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        rows = [(second.prompt_ids, second.second_ids) for second in self.seconds]
        logprobs_RA, mask_RA = self.policy.token_logprobs(rows)
        loss = answer_loss(logprobs_RA, mask_RA, 1.0 / (len(rows) * mask_RA.sum(1).clamp(min=1)))
        (self.weight * loss).backward()
        return {"loss": loss.item(), "rows": float(len(rows))}


class AnswerPreference(Preference):
    """Between the second answer and the first, both after the first prompt."""

    name = "lesson_answers"

    def __init__(self, policy: Reads, seconds: Sequence[Second], weight: float, beta: float) -> None:
        self._policy, self._seconds = policy, seconds
        super().__init__(weight, beta)

    def _margins(self) -> Tensor:
        rows = [(s.prompt_ids, ids) for s in self._seconds for ids in (s.second_ids, s.first_ids)]
        logprobs_RA, mask_RA = self._policy.token_logprobs(rows)
        second_R, first_R = (logprobs_RA * mask_RA).sum(1).view(-1, 2).unbind(1)
        return second_R - first_R


class Spoken(NamedTuple):
    """What a reflector sampled, and what it was worth."""

    told: TokenDecision
    advantage: float
    """The sibling's gain (0 for what was turned away) less the role's baseline."""


LogProbsOf = Callable[[TokenDecision], Tensor]
"""Log-probabilities [A], with gradients, of what a reflector sampled, normalised as when it was sampled."""


@dataclass(slots=True)
class ReflectorTokens:
    """REINFORCE on the reflector's tokens: ``-weight mean_R (advantage mean_A log p)``, read once, on-policy."""

    logprobs_of: LogProbsOf
    spoken: Sequence[Spoken]
    weight: float
    name: str = "reflector"

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        total = 0.0
        for one in self.spoken:
            loss = -one.advantage * self.logprobs_of(one.told).mean() / len(self.spoken)
            (self.weight * loss).backward()
            total += loss.item()
        mean = sum(one.advantage for one in self.spoken) / len(self.spoken)
        return {"loss": total, "advantage": mean, "rows": float(len(self.spoken))}
