"""Credit for what is read: the evidence that a reading brought into view, and what readings after it bring.

    phi(view) = share |found| / |evidence| + (1 - share) [all of it found]
    earned by reading k    R_k = phi_k - phi_{k-1} + discount R_{k+1}
    advantage              R_k less the mean R_k of the siblings that read a k-th time for the same question (RLOO)

phi is a potential (Ng et al. 1999): with discount 1 the sum over a question is what the last view is worth, whatever
the way there. A discount below 1 keeps from the first reading the luck of the tenth. Where the source knows that
something in view leads astray, that counts as one more observation that is missing, and ``astray`` is taken off: a view
with nothing but what misleads is worth less than an empty one. Where nobody knows the evidence, readings earn the
step's own reward. All other decisions earn as in ``return_to_go``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from memory_stores.types import Retrieve
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.evidence import chose_among_readings, less_siblings, potential
from memrl.advantages.return_to_go import return_to_go
from memrl.contracts.capabilities import EvidenceReader, Misleads, able, edges_tell
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import CONTROLLER, Decision, Episode, Step, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """Of the estimator "reading"."""

    share: float = 0.5
    """What evidence in view is worth by itself, in [0, 1]; the rest is for having all of it."""
    discount: float = 0.7
    """Of what later readings for the same question bring, in [0, 1]."""
    astray: float = 0.0
    """What a view loses by something in it that leads astray, in [0, 1]."""

    def __post_init__(self) -> None:
        check(self, "credit.options.", share="[0, 1]", discount="[0, 1]", astray="[0, 1]")


@serves()
def reading(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """See the module."""
    reader = able(scene.agent.task_source, EvidenceReader)
    earned = [_earned(episode, reader, scene.options) for episode in episodes]
    advantages = return_to_go(episodes, scene)
    less_siblings(earned, advantages)
    return advantages


def _earned(
    episode: Episode, reader: EvidenceReader | None, options: ReadingOptions
) -> dict[Hashable, tuple[int, float]]:
    """(Observation, number of the reading) -> place among the episode's decisions, and R of that reading."""
    found: dict[Hashable, tuple[int, float]] = {}
    before = 0
    for step in episode.steps:
        readings = [i for i, decision in enumerate(step.decisions) if _reads(step, decision)]
        worth = _worth(episode.task, step, readings, reader, options) if readings else []
        to_go = 0.0
        for k in range(len(readings) - 1, -1, -1):
            to_go = worth[k] + options.discount * to_go
            found[step.observation.id, k] = before + readings[k], to_go
        before += len(step.decisions)
    return found


def _reads(step: Step, decision: Decision) -> bool:
    """Whether a controller chose among readings: one of them, or to stop."""
    return decision.actor == CONTROLLER and step.observation.wants_action and chose_among_readings(decision)


def _worth(
    task: Task, step: Step, readings: Sequence[int], reader: EvidenceReader | None, options: ReadingOptions
) -> list[float]:
    """What each reading added to the potential."""
    question = step.observation.id
    needed = reader.blame(task, question, frozenset()) if reader is not None else frozenset[str]()
    if reader is None or not needed:
        return [0.0] * (len(readings) - 1) + [step.reward]
    whole = [line for line in step.view if line.store != "graph" or edges_tell(reader)]
    source = {line.entry_id: line.observation_id for line in whole}
    held = {line.observation_id for line in whole if line.store == "token"}
    worth, last = [], _potential(reader, task, question, held, len(needed), options)
    for i in readings:
        held |= {
            source[id] for op in step.decisions[i].ops if isinstance(op, Retrieve) for id in op.ids if id in source
        }
        now = _potential(reader, task, question, held, len(needed), options)
        worth.append(now - last)
        last = now
    return worth


def _potential(
    reader: EvidenceReader, task: Task, question: str, held: set[str], size: int, options: ReadingOptions
) -> float:
    seen = frozenset(held)
    misleads = able(reader, Misleads)
    astray = misleads is not None and misleads.misled(task, question, seen)
    missing = len(reader.blame(task, question, seen))
    return potential(missing + astray, size, options.share) - options.astray * astray


register("estimator", "reading", reading, ReadingOptions)
