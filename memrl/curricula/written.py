"""A curriculum that writes its own tasks, with no language model: replay, edits, fresh draws, and a few hand-made ones.

    buffer of played tasks ──> replay ───────────────────────────┐
                           └─> edit ──> eight gates ──> horizon ─┼─> drawn ──> played ──> scored ──> buffer, skills
    space of theta ──────────> fresh ─> eight gates ──> horizon ─┤
    a proposer, if any ──────> proposed ──> the same ────────────┤      └─> reward of the proposer
    hand-made cells ─────────> anchor ───────────────────────────┘

Nothing that a gate turned away is ever drawn. ``tasks.jsonl`` (``drain_log``) has one row for every candidate that was
turned away and for every task that was played:

    step           of the run, from 1
    source         replay | edit | fresh | anchor | proposed
    accepted       False for a candidate that was turned away
    gate, reason   who turned it away and why; "horizon" is the cap below, else a gate of the task generator; or ""
    signature      key of the skills that it asks for; "" if it was turned away before that was known
    fingerprint    equal for tasks of the same events; "" for anchors
    bounds         [p*, g] under the run's budget, null if unknown
    q              normalised success in [0, 1]; null if it was turned away
    success        mean success of the tries; null likewise
    learnability   n / (n - 1) q (1 - q); null likewise
    tries          n, how often it was played at this visit; 0 if it was turned away
    practice       True where an exact reader stood in for the policy (played tasks only)
    reward         what its proposer earned; null if none wrote it
    task           the candidate's JSON, as ``TaskGenerator.to_json`` has it
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memrl.algos.task_reward import INVALID, task_reward
from memrl.contracts.capabilities import Bounded, Bounds, able
from memrl.contracts.checks import check
from memrl.contracts.contexts import CurriculumContext
from memrl.contracts.generation import AuxiliaryLoss, Judged, Proposal
from memrl.contracts.learning import Lesson
from memrl.contracts.registry import register
from memrl.contracts.types import Group, Task
from memrl.curricula._buffer import Buffer, Entry
from memrl.curricula._skills import Skills
from memrl.curricula._visits import SOURCES, Drawn, Score, reject_row, score, visit_row

ANCHORS = 0.05
"""Share of hand-made tasks: human anchors keep a self-made curriculum from drifting (R-Few)."""
REPLAY, EDIT, FRESH = 0.5, 0.25, 0.25
"""Shares of the rest where nobody proposes (ACCEL replays and edits; SFL keeps half of its draws random)."""
LEAST_FRESH = 0.22
"""Of the rest, whatever a proposer takes: fresh tasks never fall below a fifth of all."""
ANCHOR_SEEDS = 4
"""Frozen anchors a cell."""
TRIES = 12
"""Candidates judged for one place before an old task takes it."""
STRETCH = 1.5
"""How far a horizon may reach beyond the longest that is solved more often than not."""
RECENT = 1000
"""Tasks that the variety of signatures is counted over."""
ASKED = 8
"""Failing signatures that a proposer is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenOptions:
    """Of the curriculum "written"."""

    proposed: float = 0.25
    """Share of draws that a proposer writes, if there is one."""

    def __post_init__(self) -> None:
        check(self, "curriculum.options.", proposed="[0, 1]")


class Written:
    """Draws what is learnable under the budget, by exact bounds; writes more of what fails.

    ``context.proposer``, if there is one, takes a share of the draws and learns from what its tasks were worth.

    Raises:
        ConfigError: the environment has no task_generator.
    """

    def __init__(self, context: CurriculumContext, options: WrittenOptions) -> None:
        self.proposer = context.proposer
        self._context, self.task_generator = context, context.need_task_generator()
        self._rng = np.random.default_rng([context.seed, 0x3217])
        self._buffer, self._skills = Buffer(), Skills()
        self._shares = shares(options.proposed if self.proposer is not None else 0.0)
        anchors = [self._anchor(cell, seed) for cell in context.draws.names for seed in range(ANCHOR_SEEDS)]
        # A cell whose best keeper does no better than a guesser teaches nothing, whoever made it.
        self._anchors = [anchor for anchor in anchors if anchor.bounds.ceiling > anchor.bounds.floor]
        self._longest = min(_horizon(anchor.task) for anchor in self._anchors)
        self._step = 0
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._waiting: list[Drawn] = []
        self._taken: set[Task] = set()
        self._judged: list[tuple[Proposal, float]] = []
        self._log: list[dict[str, Any]] = []
        self._tally: Counter[str] = Counter()
        self._worth: list[float] = []

    def draw(self, count: int) -> list[Task]:
        sources = [SOURCES[int(i)] for i in self._rng.choice(len(SOURCES), size=count, p=self._shares)]
        proposals = self._propose(sources.count("proposed"))
        drawn = [self._one(source, proposals) for source in sources]
        self._tally.update(one.source for one in drawn)
        self._waiting += drawn
        return [one.task for one in drawn]

    def observe(self, groups: Sequence[Group], lessons: Sequence[Lesson] = ()) -> None:
        """Score the tasks drawn since the last call. Groups of other tasks are passed over."""
        self._step += 1
        waiting: dict[Task, list[Drawn]] = {}
        for drawn in self._waiting:
            waiting.setdefault(drawn.task, []).append(drawn)
        self._waiting = []
        self._taken.clear()
        for group in groups:
            if waiting.get(group.task):
                self._visit(waiting[group.task].pop(0), group)
        for lesson in lessons:
            self._skills.lesson(lesson)

    def auxiliary_losses(self) -> Sequence[AuxiliaryLoss]:
        """The proposer's lesson of this step; empty without a proposer."""
        judged, self._judged = self._judged, []
        return self.proposer.auxiliary_losses(judged) if self.proposer is not None and judged else ()

    def drain_log(self) -> list[dict[str, Any]]:
        """The rows since the last call."""
        rows, self._log = self._log, []
        return rows

    def metrics(self) -> dict[str, float]:
        """Shares by source and rejects by gate since the last call, variety, mean learnability."""
        drawn = sum(self._tally[source] for source in SOURCES)
        found = {f"curriculum/{source}": self._tally[source] / max(1, drawn) for source in SOURCES}
        found["reject/trackers"] = 0.0
        found |= {name: float(count) for name, count in sorted(self._tally.items()) if name.startswith("reject/")}
        found["variety"] = float(len(set(self._recent)))
        found["curriculum/learnability"] = sum(self._worth) / max(1, len(self._worth))
        found["curriculum/longest"] = float(self._longest)
        found["curriculum/buffer"] = float(len(self._buffer))
        self._tally.clear()
        self._worth.clear()
        return found

    def _propose(self, count: int) -> list[Proposal]:
        if self.proposer is None or not count:
            return []
        return self.proposer.propose(count, self._skills.worst(ASKED))

    def _one(self, source: str, proposals: list[Proposal]) -> Drawn:
        """One task from that source; an old one where the gates turned everything away."""
        if source == "proposed":
            proposal = proposals.pop(0)
            candidate = self.task_generator.shortened(proposal.candidate, int(STRETCH * self._longest))
            drawn = self._examine(candidate, source, proposal)
            if drawn is not None:
                return drawn
            # Too long for now is no mistake: it counts as a valid task that nobody solves.
            reward = 0.0 if self._log[-1]["gate"] == "horizon" else INVALID
            self._judged.append((proposal, reward))
            self._log[-1]["reward"] = reward
            source = "fresh"
        if source in ("edit", "fresh"):
            for _ in range(TRIES):
                candidate = self._candidate(source)
                if (drawn := self._examine(candidate, source)) is not None:
                    return drawn
            source = "replay"
        if source == "replay" and len(self._buffer):
            entry = self._old()
            return Drawn(task=entry.task, source="replay", signature=entry.signature, bounds=entry.bounds)
        return self._anchors[int(self._rng.integers(len(self._anchors)))]

    def _candidate(self, source: str) -> Any:
        """Fresh ones, as proposals, are cut to the cap, so that it shortens tasks and does not thin them out."""
        if source == "fresh":
            return self.task_generator.shortened(self.task_generator.fresh(self._rng), int(STRETCH * self._longest))
        if len(self._buffer):
            return self.task_generator.edited(self._old().task, self._rng)
        return self.task_generator.edited(self._anchors[int(self._rng.integers(len(self._anchors)))].task, self._rng)

    def _old(self) -> Entry:
        return self._buffer.pick(self._skills, self._step, self._rng, self._taken)

    def _examine(self, candidate: Any, source: str, proposal: Proposal | None = None) -> Drawn | None:
        """Through the gates and under the cap on horizons; a reject is logged and goes no further."""
        judged = self.task_generator.judge(candidate)
        told = judged.to_json()
        if judged.accepted and (reason := self._too_long(judged)):
            told |= {"accepted": False, "gate": "horizon", "reason": reason}
        if not told["accepted"]:
            self._tally[f"reject/{told['gate']}"] += 1
            self._log.append(reject_row(self._step + 1, source, told, self.task_generator.to_json(candidate)))
            return None
        assert judged.task is not None and judged.bounds is not None
        penalty = self.task_generator.penalty(judged.signature)
        self.task_generator.enter(judged)
        return Drawn(
            task=judged.task, source=source, signature=judged.signature, bounds=judged.bounds,
            fingerprint=judged.fingerprint, penalty=penalty, proposal=proposal,
        )  # fmt: skip

    def _too_long(self, judged: Judged) -> str:
        assert judged.task is not None
        horizon, most = _horizon(judged.task), STRETCH * self._longest
        return f"horizon = {horizon}: at most {most:g} until longer ones are solved" if horizon > most else ""

    def _visit(self, drawn: Drawn, group: Group) -> None:
        found = score(group, drawn.bounds)
        if found is None:
            return
        if found.q > 0.5:
            self._longest = max(self._longest, _horizon(drawn.task))
        self._skills.visit(drawn.signature, found.q)
        self._recent.append(drawn.signature)
        self._worth.append(found.learnability)
        if drawn.source != "anchor":
            self._buffer.visit(Entry(drawn.task, drawn.signature, drawn.bounds, found.learnability, self._step))
        self._log.append(visit_row(self._step, drawn, group, found, self.task_generator.to_json(drawn.task)))
        self._pay(drawn, found)

    def _pay(self, drawn: Drawn, found: Score) -> None:
        if drawn.proposal is not None:
            reward = task_reward(found.q, found.tries, drawn.penalty)
            self._judged.append((drawn.proposal, reward))
            self._log[-1]["reward"] = reward

    def _anchor(self, cell: str, seed: int) -> Drawn:
        task = self._context.draws.task(cell, seed)
        bounded = able(self._context.task_source, Bounded)
        bounds = (
            bounded.bounds(task, self._context.budget, self._context.cost) if bounded is not None else Bounds(1.0, 0.0)
        )
        return Drawn(task=task, source="anchor", signature=self.task_generator.signature(task), bounds=bounds)

    def state_dict(self) -> dict[str, Any]:
        """At the end of a step: nothing waits to be played, told or learned then."""
        return {
            "rng": self._rng.bit_generator.state,
            "task_generator": self.task_generator.state_dict(),
            "buffer": self._buffer.state_dict(self.task_generator.to_json),
            "skills": self._skills.state_dict(),
            "longest": self._longest,
            "step": self._step,
            "recent": list(self._recent),
            "proposer": self.proposer.state_dict() if self.proposer is not None else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._rng.bit_generator.state = state["rng"]
        self.task_generator.load_state_dict(state["task_generator"])
        self._buffer.load_state_dict(state["buffer"], self.task_generator.from_json)
        self._skills.load_state_dict(state["skills"])
        self._longest, self._step = int(state["longest"]), int(state["step"])
        self._recent = deque(state["recent"], maxlen=RECENT)
        if self.proposer is not None:
            self.proposer.load_state_dict(state["proposer"])


def shares(proposed: float) -> tuple[float, ...]:
    """Probabilities of ``SOURCES``: a proposer's share comes off the others in proportion, down to ``LEAST_FRESH``.

    Example: without a proposer (0.475, 0.2375, 0.2375, 0.05, 0).
    """
    fresh = max(LEAST_FRESH, FRESH * (1.0 - proposed))
    proposed = min(proposed, 1.0 - fresh)
    old = (1.0 - fresh - proposed) / (REPLAY + EDIT)
    rest = 1.0 - ANCHORS
    return old * REPLAY * rest, old * EDIT * rest, fresh * rest, ANCHORS, proposed * rest


def _horizon(task: Task) -> int:
    """Steps of an episode, where the theta tells."""
    return int(getattr(task.theta, "horizon", 0))


register("curriculum", "written", Written, WrittenOptions)
