"""Every knob of a run, on one page. Frozen; checked where it is made; importing it loads no torch.

A part receives its own section, never the whole. A run worth keeping is a function in ``recipes.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from memrl.contracts.checks import check, section_name
from memrl.contracts.errors import ConfigError
from memrl.contracts.run_config import CheckpointsConfig, EarlyStopConfig, LoggingConfig
from memrl.contracts.start_config import WarmStartConfig as WarmStartConfig


def _at_least(section: object, minimum: float, *names: str) -> None:
    for name in names:
        if getattr(section, name) < minimum:
            knob = f"{section_name(type(section))}{name}"
            raise ConfigError(knob, getattr(section, name), f"it must be at least {minimum:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvConfig:
    name: str = ""
    """A part of kind "env": ours, one that was registered, an entry point, or "module:attr". There is no default."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The environment's own knobs that differ from its defaults, such as ``{"horizon": 480}``."""
    train_seeds: int = 0
    """Draw training tasks from this many seeds a cell; 0 for a fresh seed every time."""

    def __post_init__(self) -> None:
        check(self, train_seeds="[0, inf)")


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
    read_trust: float = 0.0
    """What is trusted less than this, in [0, 1], is held but never in view; 0 shows all."""
    archive_all: bool = False
    """True puts all that may be remembered into the archive by itself, while there is room: the controller then decides
    what is read, and about the other stores."""
    archive: str = "vector"
    """A part of kind "store", for the archive: "vector" is searched by embedding, "bm25" by words."""
    archive_options: Mapping[str, Any] = field(default_factory=dict)
    embedder: str = "minilm"
    """A part of kind "embedder"."""
    embedder_options: Mapping[str, Any] = field(default_factory=dict)
    linker: str = "none"
    """A part of kind "linker", which reads relations out of texts: edges on offer, and the numbers about conflicts."""
    linker_options: Mapping[str, Any] = field(default_factory=dict)
    texts: int = 65_536
    """Texts whose embeddings are kept from one step to the next, the newest; 0 keeps all."""

    def __post_init__(self) -> None:
        check(self, read_trust="[0, 1]")
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
    name: str = "hf"
    """A part of kind "policy": "hf" is any transformers causal LM."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The policy's own knobs; those below are common."""
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
    prefix_cache_mib: int = 1024
    """Keys and values of prompts that are held while a play lasts, so that the next question over nearly the same
    memory is read on from there; 0 reads every prompt from the start that all share."""
    prompt: Literal["plain", "chat"] = "plain"
    """The readable layout of any model, or the model's own chat template."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """Options of the chat template, such as ``{"enable_thinking": false}``."""

    def __post_init__(self) -> None:
        check(self)
        _at_least(self, 1, "lora_rank", "max_new_tokens", "batch_tokens")
        _at_least(self, 0, "prefix_cache_mib")
        if self.temperature <= 0:
            raise ConfigError("policy.temperature", self.temperature, "it must be above 0; evaluation is greedy anyway")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerConfig:
    name: str = "scorer"
    """A part of kind "controller"."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The controller's own knobs that differ from its defaults."""
    trained: bool = True
    """False leaves the controller as it was initialised; one without weights stays as it is anyway."""
    max_ops: int = 2
    """Ops a step; the closing Keep and what only makes room are not counted."""
    max_reads: int = 1
    """Readings before the policy acts; each sees what the ones before brought into view."""
    offers: str = "ops"
    """A part of kind "offers", which lists what can be decided: "ops" searches for several entries at once, "entries"
    offers every promising entry of archive and graph by itself."""
    offers_options: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    """Folder of an exported controller whose weights training begins with, or "shipped" for the one that comes with the
    package; empty begins from chance, or from ``options.prior``."""

    def __post_init__(self) -> None:
        check(self)
        _at_least(self, 1, "max_ops", "max_reads")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    tasks: int = 4
    """Tasks a step whose questions the policy answers."""
    practice_tasks: int = 12
    """Tasks a step whose questions an exact reader answers: they train the controller and cost no LM token in play."""
    practice_first: float = 0.0
    """Share of the run's steps, from its start, in which there is practice alone: the policy neither plays nor rereads
    while memory holds little that is worth reading. Without practice tasks it has no effect."""
    group_size: int = 8
    """Tries at one task; advantages are relative to the group."""
    concurrency: int = 512
    """Episodes that play at the same time."""
    query_free: bool = True
    """No question's text reaches a write decision."""
    step_limit: int = 100_000
    """Steps after which an episode is cut off and counted as such."""
    env_seconds: float = 0.0
    """Wall time after which a call of the environment counts as failed; 0 for no limit."""
    env_workers: int = 32
    """Calls of slow environments that run side by side; 0 keeps all calls one after the other."""
    scratch_turns: int = 0
    """Turns that a policy may keep to itself in one step, before it acts."""
    keep_thoughts: bool = False
    """What a policy told itself may be remembered, on a line beside what it saw and did; False leaves it unsaid."""

    def __post_init__(self) -> None:
        check(self)
        _at_least(self, 0, "tasks", "practice_tasks", "env_seconds", "env_workers", "scratch_turns")
        _at_least(self, 1, "concurrency", "step_limit")
        if not 0 <= self.practice_first < 1:
            raise ConfigError("rollout.practice_first", self.practice_first, "it must lie in [0, 1)")
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
    """A part of kind "estimator"."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The estimator's own knobs that differ from its defaults."""
    discount: float = 1.0
    """Per environment step, for rewards that come after a decision."""

    def __post_init__(self) -> None:
        check(self)
        if not 0 < self.discount <= 1:
            raise ConfigError("credit.discount", self.discount, "it must lie in (0, 1]")


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
    critic: float = 0.5
    """Weight of the value head's loss, where the controller has one."""
    kl: float = 0.0
    """Weight of each policy's KL to itself as RL found it, over all that it sampled; costs one more reading."""
    entropy: float = 0.01
    """Weight of the controller's entropy."""
    epochs: int = 3
    """Passes over the controller's decisions a step; what the policy sampled is read once, in the first."""
    minibatches: int = 2
    """Parts that each pass is cut into; each is one optimiser step. What the policy sampled goes with the first."""
    rereads: int = 0
    """Practised questions a step that the policy reads again and learns the right answer to: of twice as many that
    are drawn, the ones it finds hardest. They are dealt out over the epochs × minibatches optimiser steps."""
    max_grad_norm: float = 1.0
    """Of the gradient of each part of the loss, before they are added: a loud part does not silence a quiet one."""
    max_skips: int = 3
    """Optimiser steps in a row that are skipped because a gradient was not finite; at the last of them the run ends."""
    skip_silent_rows: bool = True
    """Sampled tokens without advantage are not read by the update, unless a KL wants them; False reads every row."""
    batch_tokens: int = 4096
    """Tokens, padding included, of one micro-batch of the policy."""
    decay_from: float = 1.0
    """Share of the run's steps after which all learning rates fall along a line, at most to a twentieth; 1 for never.
    What a constant rate has learned keeps trembling."""

    def __post_init__(self) -> None:
        check(self, clip_low="[0, 1)", clip_high="[0, inf)", max_grad_norm="(0, inf)")
        if not 0 <= self.decay_from <= 1:
            raise ConfigError("learner.decay_from", self.decay_from, "it must lie in [0, 1]")
        _at_least(self, 1, "epochs", "minibatches", "batch_tokens", "max_skips")
        _at_least(
            self, 0,
            "entropy", "kl", "critic", "importance_cap", "policy_learning_rate", "controller_learning_rate", "rereads",
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumConfig:
    name: str = "uniform"
    """A part of kind "curriculum"."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The curriculum's own knobs that differ from its defaults."""
    proposer: str = "none"
    """Who writes tasks from nothing, a part of kind "proposer": "axes" is a small network, "lm" the policy itself."""
    proposer_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorConfig:
    """Alarms, and the way back from a step that did harm."""

    alarms: bool = True
    every: int = 0
    """Steps between two looks at the anchors, whose fall takes the weights back; 0 for never."""
    anchors: int = 16
    """Held-out tasks that are played at each look, read exactly."""
    standard_errors: float = 2.0
    """How far the anchors' mean may fall below the best so far."""
    proposer_entropy: float = 0.15
    """Alarm below this share of an even choice's entropy."""
    op_entropy: float = 0.02
    """Alarm below this mean entropy of the controller's choices, in nats."""
    variety: float = 0.5
    """Alarm where the recent tasks have less than this share of as many signatures as they once had."""

    def __post_init__(self) -> None:
        check(self)
        _at_least(self, 0, "every", "standard_errors", "proposer_entropy", "op_entropy", "variety")
        _at_least(self, 2, "anchors")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectionConfig:
    mode: Literal["off", "in_context", "distil", "dpo", "distil_memory"] = "off"
    """What proven lessons do: sway play as rules in context, become targets, become preferences, or the first two."""
    name: str = "tracker"
    """A part of kind "reflector"."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The reflector's own knobs that differ from its defaults."""
    verify: bool = True
    """False stores what a reflector says unproven: to measure what proof is worth."""
    share: float = 0.15
    """Most of a step's episodes that are studied, in (0, 0.5]."""
    threshold: float = 1.0
    """An episode of less success has failed."""
    reach: float = 0.0
    """Least success with the edit for a lesson to count; it must have grown in any case."""
    siblings: int = 1
    """Sibling tasks a step on which rules prove themselves."""
    trials: int = 4
    """Rules a step that are tried on them."""
    wins: int = 3
    """Siblings that a rule must have improved before it may influence an episode."""
    rules: int = 32
    """Most rules that are remembered."""
    decay: float = 0.8
    """Of the moving average of a rule's gain on siblings; below 0 it is dropped."""
    bonus: float = 2.0
    """Nats that a rule adds to the offers that it recommends."""
    weight: float = 1.0
    """Of the controller's part: cross-entropy to the better op, or the preference for it."""
    beta: float = 1.0
    """Of preferences (DPO)."""
    policy_weight: float = 0.1
    """Of second attempts that are distilled into the first prompt."""
    reflector_weight: float = 0.1
    """Of the tokens that a language model reflected in."""

    def __post_init__(self) -> None:
        check(self)
        _at_least(self, 0, "threshold", "reach", "siblings", "trials", "bonus")
        _at_least(self, 0, "weight", "beta", "policy_weight", "reflector_weight")
        _at_least(self, 1, "wins", "rules")
        if not 0 < self.share <= 0.5:
            raise ConfigError("reflection.share", self.share, "it must lie in (0, 0.5]")
        if not 0 <= self.decay < 1:
            raise ConfigError("reflection.decay", self.decay, "it must lie in [0, 1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    episodes: int = 64
    rows: tuple[str, ...] = (
        "own", "untrained", "none", "window", "fifo", "lru", "random", "similarity", "bm25_archive", "oracle",
    )  # fmt: skip
    """Parts of kind "controller" or "row" to compare; "own" is the run's, "untrained" the same before any training."""
    greedy: bool = True
    """Every row takes the likeliest everywhere; False draws, as training does. Who always takes the likeliest goes in
    circles where two moments look the same to him, which reward never taught him to leave."""

    def __post_init__(self) -> None:
        check(self)
        _at_least(self, 1, "episodes")
        if not self.rows:
            raise ConfigError("evaluation.rows", self.rows, "name at least one controller")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    recipe: str = "quickstart"
    seed: int = 0
    out: str | None = None
    """Run folder; None for ``runs/<recipe>-<seed>``, numbered if taken."""
    steps: int = 40
    """Of RL; 0 for the warm start alone, such as a policy to compare with, or one to wrap."""
    schedule_steps: int = 0
    """Steps over which learning rates and the curriculum are planned; 0 for ``steps``. A run that is resumed with other
    ``steps`` keeps the plan that it began with."""
    checkpoint_every: int = 10
    env: EnvConfig = EnvConfig()
    memory: MemoryConfig = MemoryConfig()
    policy: PolicyConfig = PolicyConfig()
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further policies by actor, such as "policy:bob", each with the knobs in which it differs from ``policy``."""
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    controller: ControllerConfig = ControllerConfig()
    rollout: RolloutConfig = RolloutConfig()
    credit: CreditConfig = CreditConfig()
    learner: LearnerConfig = LearnerConfig()
    curriculum: CurriculumConfig = CurriculumConfig()
    monitor: MonitorConfig = MonitorConfig()
    reflection: ReflectionConfig = ReflectionConfig()
    evaluation: EvalConfig = EvalConfig()
    checkpoints: CheckpointsConfig = field(default_factory=CheckpointsConfig)
    early_stop: EarlyStopConfig = field(default_factory=EarlyStopConfig)
    logging: LoggingConfig = field(default_factory=LoggingConfig)

    @property
    def planned_steps(self) -> int:
        """Steps over which learning rates and the curriculum are planned."""
        return self.schedule_steps or self.steps

    def policy_plays(self, step: int) -> bool:
        """Whether the policy plays in a step (from 1), or practice comes first (``rollout.practice_first``)."""
        return not self.rollout.practice_tasks or step > self.rollout.practice_first * self.planned_steps

    def __post_init__(self) -> None:
        check(self, seed="[0, 9223372036854775807]", schedule_steps="[0, inf)")
        if self.steps < 0:
            raise ConfigError("steps", self.steps, "it must be at least 0; 0 trains by the warm start alone")
        if self.checkpoint_every < 1:
            raise ConfigError("checkpoint_every", self.checkpoint_every, "it must be at least 1")
