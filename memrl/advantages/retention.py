"""Credit for what is kept: a decision earns what memory can still answer because of it, question by question.

    lost_t                  observations of which nothing is held any more after decision t, and was before
    phi_q(lost)             share |left| / |evidence| + (1 - share) [nothing of it lost]
    earned by decision t    r_t = sum over later questions q of phi_q(lost before t and by t) - phi_q(lost before t)
    to go                   R_t = r_t + discount R_{t+1}
    advantage               R_t less the mean R of the siblings at the same place of the same observation (RLOO)

What was not shown yet counts as left, so that r_t <= 0: a loss costs the questions that rested on it and could still be
answered, and nothing else. phi is a potential (Ng et al. 1999): the r_t of an episode sum to what its last memory is
worth, less what a memory without bounds is. So credit is exact where ``return_to_go`` spreads the reward of a question
over the hundreds of decisions before it. Keep loses the observation itself. What two entries come from is lost with
the second. All other decisions earn as in ``return_to_go``, and so do these where nobody knows the evidence.

A question takes some |evidence| log D looks at what is left after n of an episode's D losses; a look that several
questions need is made once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory_stores.graph_store import GraphStore
from memory_stores.types import Forget, Overwrite, Relink, Unlink
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.evidence import chose_among_readings, less_siblings, potential
from memrl.advantages.return_to_go import return_to_go
from memrl.contracts.capabilities import EvidenceReader, able, edges_tell
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import ARCHIVIST, Decision, Episode, is_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionOptions:
    """Of the estimator "retention"."""

    share: float = 0.5
    """What evidence that is left is worth by itself, in [0, 1]; the rest is for having all of it."""
    discount: float = 0.0
    """Of what later decisions lose, in [0, 1]. 0 judges each by its own loss alone, whatever room it took."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", share="[0, 1]", discount="[0, 1]")


class Loss(NamedTuple):
    """An observation of which nothing is held any more."""

    id: str
    decision: int
    """Its place among the episode's decisions; -1 where nobody decided."""
    step: int


class Deciding(NamedTuple):
    """Who decided what of an episode."""

    losses: list[Loss]
    """In order."""
    places: dict[int, Hashable]
    """Decision that may change memory -> its observation and its number there."""


@serves()
def retention(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """See the module."""
    advantages = return_to_go(episodes, scene)
    reader = able(scene.agent.task_source, EvidenceReader)
    asked = reader is not None and any(_questions(episode, reader) for episode in episodes)
    if reader is None or not asked:
        return advantages
    edges = edges_tell(reader)
    decided = [deciding(episode, edges) for episode in episodes]
    earned = [_to_go(episode, own, reader, scene.options) for episode, own in zip(episodes, decided, strict=True)]
    placed = [
        {place: (at, float(values[at])) for at, place in own.places.items()}
        for own, values in zip(decided, earned, strict=True)
    ]
    less_siblings(placed, advantages)
    return advantages


def deciding(episode: Episode, edges: bool = False) -> Deciding:
    """What was lost, by which decision, told by the ids of entries that ops made and took away.

    ``edges``: whether an edge alone still holds what it was found in.
    """
    losses: list[Loss] = []
    places: dict[int, Hashable] = {}
    source: dict[str, str] = {}
    held: Counter[str] = Counter()
    at = 0
    for t, step in enumerate(episode.steps):
        here, last, number = step.observation, -1, 0
        for decision in step.decisions:
            if _changes(decision):
                places[at], last, number = (here.id, number), at, number + 1
            for id in (id for id in decision.created if edges or not id.startswith(GraphStore.prefix)):
                source[id] = here.id
                held[here.id] += 1
            for id in filter(source.__contains__, _removed(decision)):
                held[source[id]] -= 1
                if not held[source[id]] and source[id] != here.id:  # what is here may be written again
                    losses.append(Loss(source[id], at, t))
            at += 1
        if here.writable and not held[here.id]:
            losses.append(Loss(here.id, last, t))
    return Deciding(losses, places)


def lost_worth(episode: Episode, losses: Sequence[Loss], reader: EvidenceReader, share: float) -> NDArray[np.float64]:
    """[L] what each loss took from the potentials of all questions after it; at most 0."""
    worth = np.zeros(len(losses))
    told = [step.observation.id for step in episode.steps]
    steps = np.array([loss.step for loss in losses], dtype=np.int64)
    sizes = _questions(episode, reader)
    spans = [(0, int(np.searchsorted(steps, t)), id) for t, id in sizes]
    missing: dict[tuple[str, int], int] = {}

    def look(n: int, ids: Sequence[str]) -> None:
        gone = {loss.id for loss in losses[:n]}
        left = frozenset(id for id in told if id not in gone)
        for id in ids:
            if (id, n) not in missing:
                missing[id, n] = len(reader.blame(episode.task, id, left))

    for n in sorted({end for pair in spans for end in pair[:2]}):
        look(n, [id for first, last, id in spans if n in (first, last)])
    sized = {id: size for (_, id), size in sizes.items()}
    while spans := [one for one in spans if missing[one[2], one[0]] < missing[one[2], one[1]]]:
        for first, last, id in (one for one in spans if one[1] - one[0] == 1):
            before, after = (potential(missing[id, n], sized[id], share) for n in (first, last))
            worth[first] += after - before
        halves = [(first, (first + last) // 2, last, id) for first, last, id in spans if last - first > 1]
        by_middle: dict[int, list[str]] = defaultdict(list)
        for _, middle, _, id in halves:
            by_middle[middle].append(id)
        for middle, ids in by_middle.items():
            look(middle, ids)
        spans = [span for first, middle, last, id in halves for span in ((first, middle, id), (middle, last, id))]
    return worth


def _questions(episode: Episode, reader: EvidenceReader) -> dict[tuple[int, str], int]:
    """(Step, id) of each question whose evidence somebody knows -> how many observations that is."""
    asked = [(t, step.observation.id) for t, step in enumerate(episode.steps) if step.observation.wants_action]
    sizes = {(t, id): len(reader.blame(episode.task, id, frozenset())) for t, id in asked}
    return {place: size for place, size in sizes.items() if size}


def _to_go(episode: Episode, own: Deciding, reader: EvidenceReader, options: RetentionOptions) -> NDArray[np.float64]:
    """[D] R of every decision; 0 of those that may not change memory."""
    values = np.zeros(sum(len(step.decisions) for step in episode.steps))
    for loss, worth in zip(own.losses, lost_worth(episode, own.losses, reader, options.share), strict=True):
        if loss.decision >= 0:
            values[loss.decision] += worth
    to_go = 0.0
    for at in sorted(own.places, reverse=True):
        to_go = values[at] = values[at] + options.discount * to_go
    return values


def _changes(decision: Decision) -> bool:
    """Whether a controller decided on what memory holds."""
    return not (is_policy(decision.actor) or decision.actor == ARCHIVIST or chose_among_readings(decision))


def _removed(decision: Decision) -> list[str]:
    """Ids of the entries that a decision took away."""
    return [op.id for op in decision.carried_out if isinstance(op, Overwrite | Forget | Relink | Unlink)]


register("estimator", "retention", retention, RetentionOptions)
