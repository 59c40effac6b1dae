"""P1: a small network chooses the levels of theta one axis after the other.

    failing skills, rewards by level, levels chosen so far ─> two layers ─> a score for every level of the next axis
                                                              illegal levels struck out ─> softmax ─> one level

Trained by REINFORCE under a baseline of its own (``algos.role_baseline``), in the same update as the solver.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memrl.algos.losses import clipped_surrogate, masked_log_softmax
from memrl.algos.role_baseline import role_advantages
from memrl.contracts.checks import check
from memrl.contracts.contexts import ProposerContext
from memrl.contracts.generation import ONLY, AuxiliaryLoss, Proposal, Turn
from memrl.contracts.registry import register
from memrl.proposers.space import TaskSpace

# Shapes: P proposals, A axes, L levels of all axes in a row, C numbers of the context, H hidden.

BUCKETS = 32
"""Numbers that stand for the words of the failing skills."""
AT_BASE = 0.75
"""Probability of the base level of an axis before any training: most of a first proposal is the base task."""
PULL = 2.0
"""Weight of what the entropy lacks to its floor."""
CLIP = (0.2, 0.28)
_MEMORY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class AxesOptions:
    """Of the proposer "axes"."""

    learning_rate: float = 1e-2
    entropy: float = 0.25
    """Floor of its mean entropy, as a share of an even choice's; 0 for none."""
    axis_dropout: float = 0.1
    """Probability that it must leave an axis of a task to chance."""

    def __post_init__(self) -> None:
        unit = "[0, 1]"
        check(self, "curriculum.proposer_options.", learning_rate="[0, inf)", entropy=unit, axis_dropout=unit)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choices:
    """How one theta was chosen."""

    context: NDArray[np.float32]
    """[C] failing skills, then the mean reward of each level."""
    levels: tuple[int, ...]
    """[A] column of the level chosen on each axis, among all L."""
    legal: NDArray[np.bool_]
    """[A, L] what was on offer."""
    logprobs: tuple[float, ...]
    """[A] under the weights that chose."""
    own: tuple[bool, ...]
    """[A] False where the axis was masked, its level drawn at random: nothing is learned from those."""


class AxesNet(nn.Module):
    """Scores all levels, given the context, the levels chosen so far and which axis is next."""

    def __init__(self, context: int, levels: int, axes: int, hidden: int = 64) -> None:
        super().__init__()
        self.body = nn.Linear(context + levels + axes, hidden)
        self.head = nn.Linear(hidden, levels)
        with torch.no_grad():
            self.head.weight *= 0.1
            self.head.bias.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., C + L + A] to [..., L]."""
        return self.head(torch.tanh(self.body(inputs)))


class AxesProposer:
    """The contract ``protocols.TaskProposer``, over any space of levelled axes.

    Args:
        entropy_floor: least mean entropy of an axis, as a share of that of an even choice; below it the loss pulls up.
        axis_dropout: probability that an axis is masked: its level is drawn evenly from the legal ones.
    """

    def __init__(
        self, space: TaskSpace, seed: int = 0, *, learning_rate: float = 1e-2, entropy_floor: float = 0.25,
        axis_dropout: float = 0.1,
    ) -> None:  # fmt: skip
        self._space, self.learning_rate = space, learning_rate
        self._floor, self._dropout = entropy_floor, axis_dropout
        self._axes = tuple(space.levels)
        self._start = dict(zip(self._axes, np.cumsum([0, *map(len, space.levels.values())]).tolist(), strict=False))
        self._size = sum(map(len, space.levels.values()))
        self._rng = np.random.default_rng([seed, 0xA8E5])
        before = torch.get_rng_state()
        torch.manual_seed(seed)
        self.net = AxesNet(BUCKETS + self._size, self._size, len(self._axes))
        torch.set_rng_state(before)
        self._lean_to_base()
        self._table = np.zeros(self._size, dtype=np.float32)
        self._baseline: float | None = None

    def propose(self, count: int, failures: Sequence[str]) -> list[Proposal]:
        """``count`` legal tasks; ``failures`` name the skills that fail most, the worst first."""
        context = np.concatenate([words_to_numbers(failures), self._table]).astype(np.float32)
        return [self._propose(context) for _ in range(count)]

    def auxiliary_losses(self, judged: Sequence[tuple[Proposal, float]]) -> Sequence[AuxiliaryLoss]:
        """One share of the loss for these (proposal, reward) pairs; updates the baseline and the table of rewards."""
        if not judged:
            return ()
        advantages, self._baseline = role_advantages([reward for _, reward in judged], self._baseline)
        traces: list[Choices] = [proposal.trace for proposal, _ in judged]
        for trace, (_, reward) in zip(traces, judged, strict=True):
            columns = list(trace.levels)
            self._table[columns] = _MEMORY * self._table[columns] + (1 - _MEMORY) * reward
        return (AxesLesson(self, traces, advantages, float(np.mean([reward for _, reward in judged]))),)

    def logprobs(self, traces: Sequence[Choices]) -> tuple[Tensor, Tensor]:
        """Log-probabilities [P, A, L] of all levels with gradients, and the mask [P, A, L] of those on offer."""
        inputs = torch.from_numpy(np.stack([self._inputs(trace) for trace in traces]))
        legal = torch.from_numpy(np.stack([trace.legal for trace in traces]))
        return masked_log_softmax(self.net(inputs), legal), legal

    @property
    def entropy_floor(self) -> float:
        return self._floor

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.net.parameters()

    def state_dict(self) -> dict[str, Any]:
        net = {name: value.clone() for name, value in self.net.state_dict().items()}
        rng = self._rng.bit_generator.state
        return {"net": net, "rng": rng, "table": self._table.copy(), "baseline": self._baseline}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self._rng.bit_generator.state = state["rng"]
        self._table = np.array(state["table"], dtype=np.float32)
        self._baseline = state["baseline"]

    def _propose(self, context: NDArray[np.float32]) -> Proposal:
        """One axis after the other, each under the legal levels that the axes before it leave."""
        chosen: dict[str, float] = {}
        legal = np.zeros((len(self._axes), self._size), dtype=bool)
        levels: list[int] = []
        logprobs: list[float] = []
        own: list[bool] = []
        inputs = np.zeros(len(context) + self._size + len(self._axes), dtype=np.float32)
        inputs[: len(context)] = context
        for i, axis in enumerate(self._axes):
            start, offered = self._start[axis], self._space.legal(chosen, axis)
            legal[i, start : start + len(offered)] = offered
            inputs[len(context) + self._size :] = np.eye(len(self._axes), dtype=np.float32)[i]
            column, logprob, is_own = self._choose(inputs, legal[i])
            inputs[len(context) + column] = 1.0
            chosen[axis] = self._space.levels[axis][column - start]
            levels.append(column)
            logprobs.append(logprob)
            own.append(is_own)
        trace = Choices(
            context=context, levels=tuple(levels), legal=legal, logprobs=tuple(logprobs), own=tuple(own)
        )  # fmt: skip
        return Proposal(self._space.task(chosen, int(self._rng.integers(2**31))), trace)

    def _choose(self, inputs: NDArray[np.float32], legal_L: NDArray[np.bool_]) -> tuple[int, float, bool]:
        """A legal column, its log-probability, and whether the network chose it."""
        with torch.inference_mode():
            scores = self.net(torch.from_numpy(inputs))
            logprobs = masked_log_softmax(scores, torch.from_numpy(legal_L)).numpy().astype(np.float64)
        own = bool(self._rng.random() >= self._dropout)
        weights = np.exp(logprobs) * legal_L if own else legal_L.astype(np.float64)
        cumulative = weights.cumsum()
        found = int(np.searchsorted(cumulative, self._rng.random() * cumulative[-1], side="right"))
        column = min(found, int(np.flatnonzero(legal_L)[-1]))
        return column, float(logprobs[column]), own

    def _inputs(self, trace: Choices) -> NDArray[np.float32]:
        """[A, C + L + A] what the network saw at each axis."""
        axes, context = len(self._axes), len(trace.context)
        inputs = np.zeros((axes, context + self._size + axes), dtype=np.float32)
        inputs[:, :context] = trace.context
        for i, column in enumerate(trace.levels):
            inputs[i + 1 :, context + column] = 1.0
        inputs[:, context + self._size :] = np.eye(axes, dtype=np.float32)
        return inputs

    def _lean_to_base(self) -> None:
        with torch.no_grad():
            for axis, levels in self._space.levels.items():
                if len(levels) > 1:
                    at = self._start[axis] + levels.index(self._space.base[axis])
                    self.net.head.bias[at] = float(np.log(AT_BASE / (1 - AT_BASE) * (len(levels) - 1)))


class AxesLesson:
    """The proposer's share of an update: the clipped policy gradient, and a pull up to the entropy floor."""

    name = "proposer"

    def __init__(
        self, proposer: AxesProposer, traces: Sequence[Choices], advantages: Sequence[float], reward: float
    ) -> None:
        self._proposer, self._traces, self._advantages, self._reward = proposer, traces, advantages, reward

    def backward(self, turn: Turn = ONLY) -> Mapping[str, float]:
        """Mean over the axes that the network chose itself."""
        logprobs_PAL, legal_PAL = self._proposer.logprobs(self._traces)
        columns_PA = torch.tensor([trace.levels for trace in self._traces])
        old_PA = torch.tensor([trace.logprobs for trace in self._traces], dtype=torch.float32)
        own_PA = torch.tensor([trace.own for trace in self._traces])
        advantage_P1 = torch.tensor(self._advantages, dtype=torch.float32)[:, None]
        chosen_PA = logprobs_PAL.gather(2, columns_PA[:, :, None]).squeeze(2)
        surrogate = clipped_surrogate(chosen_PA, old_PA, advantage_P1, *CLIP)
        loss = (surrogate.loss * own_PA).sum() / own_PA.sum().clamp(min=1)
        spread = even_share(logprobs_PAL, legal_PAL)
        pull = (self._proposer.entropy_floor - spread).clamp(min=0)
        (loss + PULL * pull).backward()
        clipped = (surrogate.clipped & own_PA).float().mean().item()
        return {"loss": loss.item(), "entropy": spread.item(), "reward": self._reward, "clip_fraction": clipped}


def even_share(logprobs_PAL: Tensor, legal_PAL: Tensor) -> Tensor:
    """Mean entropy of the choices that had a choice, as a share of the even choice's: in [0, 1]; 1 where none had."""
    count_PA = legal_PAL.sum(2)
    entropy_PA = -(logprobs_PAL.exp() * logprobs_PAL * legal_PAL).sum(2)
    open_PA = count_PA > 1
    if not bool(open_PA.any()):
        return torch.ones(())
    return (entropy_PA[open_PA] / count_PA[open_PA].log()).mean()


def words_to_numbers(texts: Sequence[str], buckets: int = BUCKETS) -> NDArray[np.float32]:
    """[buckets] how often the words of the texts fall into each bucket, by crc32, scaled to a length of at most 1.

    A word is what stands between ``+``, ``|`` and blanks, so that keys of skills with a form in common come near. What
    follows after ": ", a rule, is left out.
    """
    numbers = np.zeros(buckets, dtype=np.float32)
    for text in texts:
        for word in re.findall(r"[^\s+|]+", text.partition(": ")[0]):
            numbers[zlib.crc32(word.encode()) % buckets] += 1.0
    return numbers / max(1.0, float(np.linalg.norm(numbers)))


def _make(context: ProposerContext, options: AxesOptions) -> AxesProposer:
    return AxesProposer(
        context.task_generator.space(),
        context.seed,
        learning_rate=options.learning_rate,
        entropy_floor=options.entropy,
        axis_dropout=options.axis_dropout,
    )


register("proposer", "axes", _make, AxesOptions)
