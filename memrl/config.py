"""Every knob of a run, on one page. Frozen; checked where it is made; importing it loads no torch.

A part receives its own section, never the whole. A run worth keeping is a function in ``recipes.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from memrl.errors import ConfigError


def _at_least(section: object, minimum: float, *names: str) -> None:
    for name in names:
        if getattr(section, name) < minimum:
            knob = f"{type(section).__name__.removesuffix('Config').lower()}.{name}"
            raise ConfigError(knob, getattr(section, name), f"it must be at least {minimum:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvConfig:
    name: str = "memworld"
    """An environment family of ``build.ENVS``."""
    theta: Mapping[str, Any] = field(default_factory=dict)
    """Axes that differ from the family's default, such as ``{"horizon": 480}``."""
    data: str | None = None
    """Data file or folder, for environments that read one."""
    train_seeds: int = 0
    """Draw training tasks from this many seeds a cell; 0 for a fresh seed every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryConfig:
    token_budget: int = 64
    """Tokens of the memory that is always in view."""
    graph_budget: int = 0
    """Tokens of all edges; 0 for no graph."""
    archive_budget: int = 0
    """Tokens of the searched archive; 0 for no archive."""
    read_budget: int = 64
    """Tokens of memory, hits included, that the policy may see at one step."""
    embedder: Literal["minilm", "hash"] = "minilm"

    def __post_init__(self) -> None:
        _at_least(self, 0, "token_budget", "graph_budget", "archive_budget")
        _at_least(self, 1, "read_budget")
        if self.total < 1:
            raise ConfigError("memory.token_budget", self.token_budget, "give at least one store a budget")

    @property
    def total(self) -> int:
        """Tokens of all stores together: what a comparison holds equal."""
        return self.token_budget + self.graph_budget + self.archive_budget


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    model: str = "smollm2-135m"
    """A name of ``memrl models``, a folder, a hub id; ``tiny`` for a random model built from config."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    device: str = "auto"
    lora_rank: int = 16
    trained: bool = True
    """False freezes the policy after its warm start."""
    max_new_tokens: int = 8
    temperature: float = 1.0
    batch_tokens: int = 8192
    """Prompt tokens, padding included, that are read in one forward pass."""
    prompt: Literal["plain", "chat"] = "plain"

    def __post_init__(self) -> None:
        _at_least(self, 1, "lora_rank", "max_new_tokens", "batch_tokens")
        if self.temperature <= 0:
            raise ConfigError("policy.temperature", self.temperature, "it must be above 0; evaluation is greedy anyway")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStartConfig:
    steps: int = 200
    """Optimiser steps of TRL's SFTTrainer on answers read from short views; 0 for none."""
    batch_size: int = 8
    """Lessons a step: many small steps read better than a few large ones at the same cost."""
    learning_rate: float = 1e-3
    """At its highest; it falls to zero along a cosine."""
    reuse: bool = False
    """True keeps the warmed weights in the cache folder and takes them from there in a run with the same lessons,
    policy (the model by its name), seed and libraries: runs that differ in later knobs then share one warm start."""

    def __post_init__(self) -> None:
        _at_least(self, 0, "steps")
        _at_least(self, 1, "batch_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig:
    name: str = "scorer"
    """A controller of ``build.CONTROLLERS``."""
    width: int = 32
    """Width of the learned projection of text embeddings."""
    hidden: int = 128
    trained: bool = True
    """False leaves the controller as it was initialised."""
    max_ops: int = 2
    """Ops a step, the closing Keep not counted."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "width", "hidden", "max_ops")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    tasks: int = 4
    """Tasks a step whose questions the policy answers."""
    practice_tasks: int = 12
    """Tasks a step whose questions an exact reader answers: they train the controller alone, and cost no LM token."""
    group_size: int = 8
    """Tries at one task; advantages are relative to the group."""
    concurrency: int = 256
    """Episodes that play at the same time."""
    query_free: bool = True
    """No question's text reaches a write decision."""
    step_limit: int = 100_000
    """Steps after which an episode is cut off and counted as such."""
    env_seconds: float = 0.0
    """Wall time after which a call of the environment counts as failed; 0 for no limit."""

    def __post_init__(self) -> None:
        _at_least(self, 0, "tasks", "practice_tasks", "env_seconds")
        _at_least(self, 1, "concurrency", "step_limit")
        if self.group_size < 2:
            raise ConfigError(
                "rollout.group_size", self.group_size, "it must be at least 2: a group of one has no baseline"
            )
        if self.tasks + self.practice_tasks < 1:
            raise ConfigError(
                "rollout.tasks", self.tasks, "with rollout.practice_tasks = 0 there would be nothing to play"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditConfig:
    name: str = "return_to_go"
    """An estimator of ``credit.ESTIMATORS``."""
    discount: float = 1.0
    """Per environment step, for rewards that come after a decision."""
    gae_lambda: float = 0.95
    """Of the estimator ``gae``, in [0, 1]: 1 trusts the episode's own return, 0 the siblings' at the next step."""
    step_weight: float = 1.0
    """GiGPO's omega, of ``gigpo_state`` and ``gigpo_memory``: weight of the comparison within a state."""
    outcome_weight: float = 0.8
    """ReMemR1's alpha, of ``question_step``, in [0, 1]: share of the episode's outcome in the advantage."""
    rollouts: int = 4
    """Continuations with an op, and as many without it, of ``same_state`` and ``fresh_futures``."""
    sibling_baseline: float = 0.0
    """In [0, 1]: share of the siblings' mean gain taken off an op's gain over Keep, in estimators that know such gains.
    0 ranks ops best (benchmarks/credit_truth.py); above 0, Keep is blamed where others gained by an op."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "rollouts")
        if not 0 < self.discount <= 1:
            raise ConfigError("credit.discount", self.discount, "it must lie in (0, 1]")
        for share in ("gae_lambda", "outcome_weight", "sibling_baseline"):
            if not 0 <= getattr(self, share) <= 1:
                raise ConfigError(f"credit.{share}", getattr(self, share), "it must lie in [0, 1]")
        if not self.step_weight >= 0:
            raise ConfigError("credit.step_weight", self.step_weight, "it must be at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerConfig:
    policy_learning_rate: float = 1e-4
    controller_learning_rate: float = 3e-3
    clip_low: float = 0.2
    clip_high: float = 0.28
    """Higher than ``clip_low``, as in DAPO (arXiv:2503.14476)."""
    importance_cap: float = 0.0
    """Above 0, the policy learns with importance weights cut at this value in place of the clipped ratio: for samples
    drawn under older or differently rounded weights. About 2 is usual."""
    kl: float = 0.0
    """Weight of the policy's KL to itself without LoRA, on the answers that are learned; costs one more reading."""
    entropy: float = 0.01
    """Weight of the controller's entropy."""
    epochs: int = 3
    """Passes over the controller's decisions a step; the policy's tokens are read once, in the first."""
    minibatches: int = 2
    """Parts that each pass is cut into; each is one optimiser step. The policy's tokens go with the first."""
    max_grad_norm: float = 1.0
    batch_tokens: int = 4096
    """Tokens, padding included, of one micro-batch of the policy."""

    def __post_init__(self) -> None:
        _at_least(self, 1, "epochs", "minibatches", "batch_tokens")
        _at_least(self, 0, "entropy", "kl", "importance_cap", "policy_learning_rate", "controller_learning_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumConfig:
    name: str = "uniform"
    """A curriculum of ``build.CURRICULA``."""
    temperature: float = 0.1
    """Of the bandit's softmax over learnability."""
    fresh: float = 0.2
    """Share of draws that stay uniform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    episodes: int = 64
    rows: tuple[str, ...] = (
        "scorer", "untrained", "none", "window", "fifo", "lru", "random", "similarity", "bm25_archive", "oracle",
    )  # fmt: skip

    def __post_init__(self) -> None:
        _at_least(self, 1, "episodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    recipe: str = "quickstart"
    seed: int = 0
    out: str | None = None
    """Run folder; None for ``runs/<recipe>-<seed>``, numbered if taken."""
    steps: int = 40
    checkpoint_every: int = 10
    env: EnvConfig = EnvConfig()
    memory: MemoryConfig = MemoryConfig()
    policy: PolicyConfig = PolicyConfig()
    warm_start: WarmStartConfig = WarmStartConfig()
    controller: ControllerConfig = ControllerConfig()
    rollout: RolloutConfig = RolloutConfig()
    credit: CreditConfig = CreditConfig()
    learner: LearnerConfig = LearnerConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    evaluation: EvalConfig = EvalConfig()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError("steps", self.steps, "it must be at least 1")
        if self.checkpoint_every < 1:
            raise ConfigError("checkpoint_every", self.checkpoint_every, "it must be at least 1")
