"""Reads without error, by the task source's own trackers: practice episodes use it in the policy's context.

It costs no LM token, so the controller can practise by the thousand. Its success says whether a view *suffices*;
it is never reported as the policy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, log1p
from typing import Any

from memrl.contracts.capabilities import EvidenceReader, need, shown
from memrl.contracts.protocols import SampleRequest, TaskSource
from memrl.contracts.silent import silent_decision
from memrl.contracts.types import TokenDecision

WAY_OUT = "an exact reader cannot answer there: set rollout.practice_tasks to 0 in training, or take a run with a model"
EPS = 1e-3
"""Probability that it leaves to all other answers together, so that every answer has a log-probability."""


class OracleReader:
    """Answers what the observations behind the view support.

    Raises:
        ConfigError: (when it acts) the environment has no exact reader; set ``rollout.practice_tasks`` to 0.
    """

    version = 0
    instant = True

    def __init__(self, task_sources: Mapping[str, TaskSource]) -> None:
        self._sources = dict(task_sources)
        self._readers: dict[str, EvidenceReader] = {}

    def sample(self, requests: Sequence[SampleRequest]) -> list[TokenDecision]:
        return [silent_decision(self._read(request), request) for request in requests]

    def answer_logprobs(self, requests: Sequence[SampleRequest], answers: Sequence[str]) -> list[float]:
        """log(1 - EPS) of the answer that the view supports, log(EPS) of any other: a reader all but sure of itself."""
        sure, doubt = log1p(-EPS), log(EPS)
        return [sure if self._read(r) == answer else doubt for r, answer in zip(requests, answers, strict=True)]

    def _read(self, request: SampleRequest) -> str:
        env = request.task.env
        seen = shown(self._sources[env], request.view)
        reader = self._readers.get(env)
        if reader is None:
            reader = need(self._sources[env], EvidenceReader, "env.name", env, WAY_OUT)
            self._readers[env] = reader
        return reader.read(request.task, request.observation.id, seen)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to load."""
