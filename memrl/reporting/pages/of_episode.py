"""An episode as it was played, told anew: memory is built again op by op, and every entry's life is written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from memory_stores.memory import AgentMemory
from memrl.advantages.credit import give_credit
from memrl.contracts.capabilities import EvidenceReader, able
from memrl.contracts.config import CreditConfig
from memrl.contracts.errors import ConfigError
from memrl.contracts.protocols import Agent
from memrl.contracts.types import Decision, Episode, Group, OpDecision, Step, as_text, is_policy
from memrl.reflection.auxiliary_losses import offer_logprobs
from memrl.reflectors.evidence import Evidence
from memrl.reporting.pages.story import Decided, Lacked, Life, Moment, Offered, Story, life_of, told
from memrl.rollouts.carrying import provenance

LISTED = 12
"""Offers of a decision that are told, the likeliest."""
AT_ONCE = 64
"""Decisions whose offers are weighed in one batch."""

Shares = Mapping[tuple[int, int], Sequence[float]]
"""(Step, number of the decision) -> probability of every offer."""


def stories(groups: Sequence[Group], agent: Agent, credit: CreditConfig) -> list[Story]:
    """The first try of each group, with credit against its siblings.

    Args:
        agent: who played them, each from ``agent.new_memory()``.
    """
    credits = _credits(groups, agent, credit)
    return [story(group.episodes[0], agent, credits.get(id(group.episodes[0]), ())) for group in groups]


def story(episode: Episode, agent: Agent, credits: Sequence[float] = ()) -> Story:
    """One episode.

    Args:
        credits: [D] advantage of every decision, in order; empty where none is known.
    """
    shares, lives = _shares(episode, agent), Lives(agent.new_memory())
    lacked = _lacked(episode, agent)
    given = iter(credits)
    moments = []
    for t, step in enumerate(episode.steps):
        decisions = tuple(
            _decided(decision, shares.get((t, place)), next(given, None))
            for place, decision in enumerate(step.decisions)
        )
        moments.append(_moment(step, decisions, *lives.lived(t, step), tuple(lacked[t])))
    return Story(
        name=_name(episode),
        moments=tuple(moments),
        lives=lives.all,
        budget=lives.memory.budget,
        about={
            "success": f"{episode.success:.3f}",
            "ended": episode.end.value,
            "steps": str(len(episode.steps)),
            "tokens read": str(sum(step.context_tokens for step in episode.steps)),
        },
    )


class Lives:
    """Entries that came and went while ops were carried out again on a memory."""

    def __init__(self, memory: AgentMemory) -> None:
        self.memory = memory
        self.all: dict[str, Life] = {}
        self._held: set[str] = set()

    def lived(self, t: int, step: Step) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids that were born at a step and that were gone after it."""
        for decision in step.decisions:
            if not is_policy(decision.actor):
                stamp = provenance(step.observation, decision, self.memory)
                for op in decision.ops:
                    self.memory.apply(op, stamp)
        return self.noted(t, tuple(line.entry_id for line in step.view))

    def noted(self, t: int, view: Sequence[str] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Write down what changed since the last time, as of step t."""
        now = {entry.id: entry for entry in self.memory.entries()}
        born = tuple(id for id in now if id not in self._held)
        gone = tuple(sorted(self._held - now.keys()))
        for id in born:
            self.all[id] = life_of(now[id], self.memory.store_of(id), t)
        for id in gone:
            self.all[id] = replace(self.all[id], gone=t)
        for id in view:
            if id in self.all:
                self.all[id] = replace(self.all[id], uses=(*self.all[id].uses, t))
        self._held = set(now)
        return born, gone


def _moment(
    step: Step, decisions: tuple[Decided, ...], born: tuple[str, ...], gone: tuple[str, ...], lacked: tuple[Lacked, ...]
) -> Moment:
    seen, acted, verdict = step.observation, step.acted, step.verdict
    return Moment(
        id=seen.id,
        clock=seen.step,
        text=seen.text,
        source=seen.source,
        trust=seen.trust,
        asks=seen.wants_action,
        decisions=decisions,
        born=born,
        gone=gone,
        view=tuple(line.entry_id for line in step.view),
        reward=step.reward,
        answer=as_text(acted) if acted is not None else None,
        expected=verdict.expected if verdict is not None else None,
        score=verdict.score if verdict is not None else None,
        lacked=lacked,
    )


def _decided(decision: Decision, shares: Sequence[float] | None, credit: float | None) -> Decided:
    if not isinstance(decision, OpDecision):
        said = as_text(decision.action) or "; ".join(map(told, decision.ops))
        return Decided(actor=decision.actor, said=said, credit=credit)
    offers = [
        Offered(op=told(op), share=None if shares is None else float(shares[i]), chosen=i == decision.choice)
        for i, op in enumerate(decision.offers.ops)
    ]
    # Stable, so that where nobody knows shares the chosen one leads and the others keep their order.
    offers.sort(key=lambda one: (-(one.share or 0.0), not one.chosen))
    listed = [one for i, one in enumerate(offers) if i < LISTED or one.chosen]
    return Decided(
        actor=decision.actor,
        said=told(decision.action),
        offers=tuple(listed) if len(offers) > 1 else (),
        left_out=len(offers) - len(listed),
        refused=decision.refused,
        credit=credit,
    )


def _shares(episode: Episode, agent: Agent) -> Shares:
    """Of every choice among several, by the controller's weights as they are now."""
    scorer: Any = agent.controller
    if not hasattr(scorer, "logprobs"):
        return {}
    sites = [
        ((t, place), decision)
        for t, step in enumerate(episode.steps)
        for place, decision in enumerate(step.decisions)
        if isinstance(decision, OpDecision) and len(decision.offers) > 1
    ]
    found: dict[tuple[int, int], Sequence[float]] = {}
    for start in range(0, len(sites), AT_ONCE):
        block = sites[start : start + AT_ONCE]
        with torch.no_grad():
            shares = offer_logprobs(scorer, [decision for _, decision in block]).exp().numpy()
        found.update((site, row[: len(d.offers)].tolist()) for (site, d), row in zip(block, shares, strict=True))
    return found


def _credits(groups: Sequence[Group], agent: Agent, config: CreditConfig) -> dict[int, Sequence[float]]:
    """By the identity of an episode; none where the estimator has nothing to say of them."""
    try:
        return {id(one.episode): np.asarray(one.advantages).tolist() for one in give_credit(groups, config, agent)}
    except ConfigError:
        return {}


def _lacked(episode: Episode, agent: Agent) -> dict[int, list[Lacked]]:
    """Question's step -> what it lacked and why."""
    found: dict[int, list[Lacked]] = defaultdict(list)
    if able(agent.task_source, EvidenceReader) is None:
        return found
    evidence = Evidence(episode, agent.task_source, "diff")
    for one in evidence.missing:
        written, lost = evidence.losses(one)
        if not written:
            fate = "never written"
        elif lost:
            fate = f"let go at step {lost[-1].step}"
        else:
            fate = "held, but not in view"
        text = episode.steps[one.source].observation.text
        found[one.question].append(Lacked(step=one.source, text=text, fate=fate))
    return found


def _name(episode: Episode) -> str:
    task = episode.task
    return f"{task.env} {task.cell} seed {task.seed}".replace("  ", " ")
