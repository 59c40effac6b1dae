"""What is said where nobody samples: by a script, by a walkthrough, by whoever shows how."""

from __future__ import annotations

from memrl.contracts.protocols import SampleRequest
from memrl.contracts.types import Say, TokenDecision


def silent_decision(answer: str, request: SampleRequest) -> TokenDecision:
    """A decision that nobody sampled: there is nothing in it to learn from."""
    return TokenDecision(
        actor=request.actor,
        action=Say(answer),
        memory_hash=request.memory_hash,
        prompt_ids=(),
        action_ids=(),
        logprobs=(),
    )
