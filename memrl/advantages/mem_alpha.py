"""Mem-alpha: every chunk's writing is a sample, with a reward of four terms (arXiv:2509.25911)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memory_stores.memory import AgentMemory
from memory_stores.types import Overwrite, Write
from memrl.advantages.answers import passive
from memrl.advantages.clock import places
from memrl.advantages.contract import Advantages, Scene, serves
from memrl.advantages.rows import totals
from memrl.algos import stratified
from memrl.algos.group_advantages import standardised
from memrl.contracts.checks import check
from memrl.contracts.registry import register
from memrl.contracts.types import ARCHIVIST, Decision, Episode, Observation, OpDecision, TokenDecision, is_policy
from memrl.rollouts.carrying import provenance
from memrl.rollouts.replay import Site, memory_after, tape


@dataclass(frozen=True, slots=True, kw_only=True)
class MemAlphaOptions:
    """Of the estimator "mem_alpha"; the weights are the published ones."""

    compression_weight: float = 0.05
    content_weight: float = 0.1

    def __post_init__(self) -> None:
        check(self, "credit.options.", compression_weight="[0, inf)", content_weight="[0, inf)")


@serves(acting=False, because="it judges an answer by its own reward")
def mem_alpha(episodes: Sequence[Episode], scene: Scene) -> list[Advantages]:
    """For a decision on memory ``accuracy + w_c compression + carried out + w_f content``, standardised over all of
    them in all siblings; for an answer its own reward, standardised at its question. In the paper the answerer is
    another model and is not trained.

    accuracy      mean reward of the episode's questions
    compression   1 - tokens of the final memory / tokens of all that could be remembered
    carried out   share of the decision's ops that the store did not refuse; 0 for what cannot be read
    content       share of the words written that stand in what was seen or held. The paper asks a judge model
    """
    options, count = scene.options, scene.agent.count_tokens
    seen = [sum(count(s.observation.text) for s in e.steps if s.observation.writable) for e in episodes]
    asked = [max(1, sum(s.observation.wants_action for s in e.steps)) for e in episodes]
    held = [memory_after(episode, scene.agent).tokens_used for episode in episodes]
    rows = [(g, *row) for g, episode in enumerate(episodes) for row in _written(episode, scene)]
    table = np.array([(g, done, content) for g, _, done, content in rows], dtype=np.float64).reshape(-1, 3)
    rewards = stratified.mem_alpha_rewards(
        totals(episodes) / np.array(asked),
        np.array(held, dtype=np.float64),
        np.maximum(np.array(seen, dtype=np.float64), 1.0),
        table[:, 0].astype(np.int64),
        table[:, 1],
        table[:, 2],
        options.compression_weight,
        options.content_weight,
    )
    of_rows = {(g, site): value for (g, site, *_), value in zip(rows, stratified.mem_alpha(rewards), strict=True)}
    answers = iter(_answers(episodes, scene))
    return [
        np.array(
            [
                next(answers) if is_policy(d.actor) else of_rows.get((g, Site(t, p)), 0.0)
                for t, step in enumerate(episode.steps)
                for p, d in enumerate(step.decisions)
            ],
            dtype=np.float64,
        )
        for g, episode in enumerate(episodes)
    ]


def _answers(episodes: Sequence[Episode], scene: Scene) -> list[float]:
    """Of every policy's decision, sibling by sibling."""
    told = [
        ((place, d.actor), step.reward)
        for episode, where in zip(episodes, places(episodes, passive(scene)), strict=True)
        for step, place in zip(episode.steps, where, strict=True)
        for d in step.decisions
        if is_policy(d.actor)
    ]
    return standardised(np.array([r for _, r in told], dtype=np.float64), [k for k, _ in told]).tolist()


def _written(episode: Episode, scene: Scene) -> list[tuple[Site, float, float]]:
    """Of every decision on memory: where, share of its ops carried out, share of its words that are not made up."""
    states = tape(episode, scene.agent)
    found: list[tuple[Site, float, float]] = []
    for site, memory in states.items():
        step = episode.steps[site.step]
        decision = step.decisions[site.place]
        noted = isinstance(decision, OpDecision) and decision.note is not None
        if decision.actor != ARCHIVIST:
            carried = decision.note if isinstance(decision, OpDecision) and noted else decision
            assert carried is not None
            found.append((site, *_judged(carried, memory, step.observation)))
    return found


def _judged(decision: Decision, before: AgentMemory, observation: Observation) -> tuple[float, float]:
    if isinstance(decision, TokenDecision) and not decision.ops:
        return 0.0, 0.0
    memory, stamp = before.fork(), provenance(observation, decision, before)
    known = set(_words(" ".join([observation.text, *(entry.text for entry in before.entries())])))
    done = [memory.apply(op, stamp).done for op in decision.ops]
    words = [word for op in decision.ops if isinstance(op, Write | Overwrite) for word in _words(op.text)]
    grounded = float(np.mean([word in known for word in words])) if words else 1.0
    return float(np.mean(done)), grounded


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


register("estimator", "mem_alpha", mem_alpha, MemAlphaOptions)
