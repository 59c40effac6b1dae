"""What people thought of answers, as lessons for the controller that chose what was in view.

    agent.feedback(answer, reward) ──> a line of a JSONL file: the answer's readings, each with what was on offer
    learn(file)                    ──> an exported controller, which ``wrap(..., controller=DIR)`` takes

A line holds numbers of offers, choices and the reward: no text. An answer's advantage is its reward less the mean,
shared by its readings. What was better than the mean becomes likelier (log-likelihood), what was worse less likely
(unlikelihood, Welleck et al. 2020, arXiv:1908.04319: a policy gradient stands still where a greedy choice was all but
certain), and a KL holds the rest to what the controller did before. Only readings that the model saw count, and only a
scorer that looks at numbers alone can learn so, such as the one that ships.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from memory_stores.embed import HashEmbedder
from memory_stores.types import Retrieve
from memrl.contracts.checks import check
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed
from memrl.contracts.errors import ConfigError, DataError
from memrl.contracts.texts import TextTable
from memrl.contracts.types import Decision, OpDecision
from memrl.controllers.scorer import Scorer, ScorerOptions
from memrl.training.export import read_controller, write_controller
from memrl.training.start import SHIPPED, shipped

# Shapes: D readings of all answers, C offers of one, F numbers of an offer.

FORMAT = "memrl_feedback/1"


class Reading(NamedTuple):
    """One choice among C offers."""

    numbers: NDArray[np.float32]
    """[C, F]"""
    choice: int
    logprob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """One answer and what it was worth."""

    readings: tuple[Reading, ...]
    names: tuple[str, ...]
    """[F] of the numbers."""
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackOptions:
    """How a controller learns from feedback."""

    epochs: int = 100
    learning_rate: float = 1e-3
    kl: float = 0.05
    """Weight of the divergence from the controller that gave the answers."""

    def __post_init__(self) -> None:
        check(self, "feedback.", epochs="[1, 10000]", learning_rate="(0, 1]", kl="[0, inf)")


def rate(
    path: Path, answer: str, decisions: Sequence[Decision], names: Sequence[str], reward: float, shown: Set[str]
) -> int:
    """Append one rated answer; returns how many readings count.

    Args:
        shown: ids of the entries that were in view: what was read and had no room there counts for nothing.

    Raises:
        DataError: the file cannot be written, or holds something else.
    """
    readings = [
        one
        for one in decisions
        if isinstance(one, OpDecision) and not (isinstance(one.action, Retrieve) and set(one.action.ids) - shown)
    ]
    told = [
        {
            "choice": one.choice,
            "logprob": one.logprob,
            "offers": len(one.offers),
            "numbers": _packed(one.offers.numbers),
        }
        for one in readings
    ]
    line = {"format": FORMAT, "answer": answer, "reward": reward, "names": list(names), "readings": told}
    try:
        _check_kind(path)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise DataError(f"feedback file {path} cannot be written: {error.strerror or error}") from error
    return len(readings)


def _check_kind(path: Path) -> None:
    """Nothing is appended to a file of another kind. Raises DataError."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        first = file.readline(1 << 16)
        file.seek(-1, 2)
        whole = file.read() == b"\n"
    if not whole or not first.startswith(f'{{"format": "{FORMAT}"'.encode()):
        raise DataError(f"feedback file {path} holds something else, which is left as it is; name another file")


def read_feedback(path: str | Path) -> list[Rated]:
    """All rated answers of a file; of an answer that was rated again the last rating counts.

    Raises:
        DataError: the file is missing, or a line is damaged; it names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"feedback file {path} cannot be read ({error}); `agent.feedback` writes one") from error
    rated: dict[str, Rated] = {}
    for number, line in enumerate(lines, 1):
        try:
            data = json.loads(line)
            if data["format"] != FORMAT:
                raise ValueError(f"format = {data['format']!r}, not {FORMAT!r}")
            rated[str(data["answer"])] = _rated(data)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise DataError(f"feedback file {path}, line {number}: {error}; take the line out") from error
    return list(rated.values())


def _rated(data: dict[str, Any]) -> Rated:
    names = tuple(map(str, data["names"]))
    readings = tuple(
        Reading(_unpacked(one["numbers"], int(one["offers"]), len(names)), int(one["choice"]), float(one["logprob"]))
        for one in data["readings"]
    )
    reward = float(data["reward"])
    if any(not 0 <= one.choice < len(one.numbers) for one in readings):
        raise ValueError("a choice is none of the offers")
    finite = np.isfinite([reward, *(one.logprob for one in readings)]).all()
    if not finite or not all(np.isfinite(one.numbers).all() for one in readings):
        raise ValueError("a reward, a probability or a number of an offer is not finite")
    return Rated(readings=readings, names=names, reward=reward)


def _packed(numbers: NDArray[np.float32]) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(numbers, dtype="<f4").tobytes())).decode()


def _unpacked(text: str, offers: int, width: int) -> NDArray[np.float32]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype="<f4").reshape(offers, width)


def learn(
    file: str | Path, to: str | Path, start: str = SHIPPED, options: FeedbackOptions | None = None
) -> dict[str, float]:
    """Train a controller on feedback and export it to a new folder; returns what was measured.

    Args:
        start: folder of the exported controller that gave the answers, or "shipped".

    Raises:
        InputError: the file cannot be read, holds nothing to learn from, or is another controller's.
    """
    options = options or FeedbackOptions()
    rated = [one for one in read_feedback(file) if one.readings]
    if not rated:
        way_out = "no rated answer with readings; `agent.feedback(answer, reward, FILE)` writes them"
        raise DataError(f"feedback file {file}: {way_out}")
    if len({one.reward for one in rated}) < 2:
        raise DataError(
            f"feedback file {file}: {len(rated)} rated answers with readings, all of one reward; there is nothing to "
            "learn before some were better than others"
        )
    scorer, card = _scorer(start, rated[0].names)
    if any(one.names != rated[0].names for one in rated):
        raise DataError(
            f"feedback file {file}: its answers come from controllers with other numbers; use one file each"
        )
    measured = _train(scorer, rated, options)
    config = changed(TrainConfig(), {"controller": card["controller"], "memory": card["memory"]})
    write_controller(Path(to), config, scorer.state_dict(), {"from": str(file), "start": start, **measured})
    return measured


def _scorer(start: str, names: tuple[str, ...]) -> tuple[Scorer, dict[str, Any]]:
    card, state = read_controller(shipped() if start == SHIPPED else Path(start))
    made = card["controller"]
    options = ScorerOptions(**made["options"]) if made["name"] == "scorer" else None
    if options is None or options.width or options.features or options.query_heads or options.subjects:
        raise ConfigError(
            "feedback.start", start, "it looks at texts, which feedback does not hold; take a scorer of width 0"
        )
    table = TextTable(HashEmbedder(1))
    table.add(["no text"])  # which every row of an offer stands for: the scorer looks at none
    scorer = Scorer(table, options, names=names)
    scorer.load_state_dict(state)
    return scorer, card


def _train(scorer: Scorer, rated: Sequence[Rated], options: FeedbackOptions) -> dict[str, float]:
    mean = float(np.mean([one.reward for one in rated]))
    readings = [reading for one in rated for reading in one.readings]
    worth = [(one.reward - mean) / len(one.readings) / len(rated) for one in rated for _ in one.readings]
    advantage_D = torch.tensor(worth, dtype=torch.float32)
    numbers_NF = torch.from_numpy(np.concatenate([one.numbers for one in readings]))
    counts_D = torch.tensor([len(one.numbers) for one in readings])
    choice_D = torch.tensor([one.choice for one in readings])
    rows_N3 = torch.full((len(numbers_NF), 3), -1)
    optimizer = torch.optim.Adam(scorer.parameters(), lr=options.learning_rate)
    before_DC: torch.Tensor | None = None
    moved = torch.zeros(())
    for _ in range(options.epochs):
        logprobs_DC, mask_DC = scorer.logprobs(rows_N3, numbers_NF, counts_D)
        if before_DC is None:
            before_DC = logprobs_DC.detach()
        gaps_DC = (before_DC - logprobs_DC).masked_fill(~mask_DC, 0.0)
        moved = (before_DC.exp().masked_fill(~mask_DC, 0.0) * gaps_DC).sum(1).mean()
        loss = rating_loss(logprobs_DC, choice_D, advantage_D) + options.kl * moved
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scorer.bump()
    return {"answers": float(len(rated)), "readings": float(len(readings)), "mean_reward": mean, "kl": moved.item()}


def rating_loss(logprobs_DC: torch.Tensor, choice_D: torch.Tensor, advantage_D: torch.Tensor) -> torch.Tensor:
    """``sum_D |A| (-log p)`` where the advantage is above 0, ``sum_D |A| (-log(1 - p))`` where it is below."""
    chosen_D = logprobs_DC.gather(1, choice_D[:, None]).squeeze(1)
    others_D = torch.log((-torch.expm1(chosen_D)).clamp(min=1e-6))
    return -(advantage_D.abs() * torch.where(advantage_D > 0, chosen_D, others_D)).sum()
