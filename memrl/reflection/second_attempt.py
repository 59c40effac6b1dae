"""The policy's second attempt: the same question over the same memory, with reflections in view.

Only questions whose first view holds what the answer rests on are tried again. Where the fact was not in view, a right
second answer distilled into the first prompt would teach the policy to make things up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memrl.contracts.capabilities import EvidenceReader, able, asked_again, shown
from memrl.contracts.protocols import Agent, SampleRequest
from memrl.contracts.types import Group
from memrl.policies.advised import advised
from memrl.reflection.auxiliary_losses import Second
from memrl.reflection.proof import without_rules
from memrl.rollouts.play import tokens_read
from memrl.rollouts.replay import Judge

READING = "The newest line about what is asked counts."
"""A reflection on reading that holds for every memory of dated lines."""
MOST = 32
"""Questions that are tried again at a time."""
MOST_TEXTS = 3


class _Asked(NamedTuple):
    group: int
    episode: int
    step: int
    request: SampleRequest


def second_attempts(groups: Sequence[Group], agent: Agent, texts: Sequence[str]) -> tuple[list[Second], int]:
    """Right second answers to questions that the deployed policy's likeliest answer gets wrong, and the tokens read."""
    plain = without_rules(agent)
    asked = list(_wrong_though_in_view(groups, plain))[:MOST]
    if not asked:
        return [], 0
    told = [READING, *texts[:MOST_TEXTS]]
    first_requests = [one.request for one in asked]
    second_requests = [advised(one.request, told) for one in asked]
    answers = plain.policy.sample([*first_requests, *second_requests])
    firsts, seconds = answers[: len(asked)], answers[len(asked) :]
    judges = {g: Judge(groups[g].episodes, plain) for g in {one.group for one in asked}}
    found: list[Second] = []
    for one, first, second in zip(asked, firsts, seconds, strict=True):
        before, after = (
            judges[one.group].rewards(one.episode, {one.step: answer.action}) for answer in (first, second)
        )
        if before is None or after is None or not first.prompt_ids or after[one.step] <= before[one.step]:
            continue
        found.append(Second(first.prompt_ids, first.action_ids, second.action_ids))
    read = zip([*first_requests, *second_requests], answers, strict=True)
    return found, sum(tokens_read([answer], r.view, r.observation, plain) for r, answer in read)


def _wrong_though_in_view(groups: Sequence[Group], agent: Agent) -> Iterator[_Asked]:
    reader = able(agent.task_source, EvidenceReader)
    for g, group in enumerate(groups if reader is not None else ()):
        assert reader is not None
        for e, episode in enumerate(group.episodes):
            for t, step in enumerate(episode.steps):
                if step.verdict is None or step.verdict.score >= 1.0:
                    continue
                view = tuple(line for line in step.view if line.observation_id)
                seen = shown(reader, view)
                if reader.read(episode.task, step.observation.id, seen) == step.verdict.expected:
                    yield _Asked(g, e, t, asked_again(agent.task_source, group.task, step.observation, view))
