"""The main job, its halves, and small and large runs beside it, on MemWorld."""

from __future__ import annotations

from dataclasses import replace

from memrl.contracts.config import (
    ControllerConfig,
    CurriculumConfig,
    EnvConfig,
    EvalConfig,
    LearnerConfig,
    MemoryConfig,
    PolicyConfig,
    RolloutConfig,
    TrainConfig,
    WarmStartConfig,
)
from memrl.envs.memworld.presets import path_world
from memrl.recipes.presets import plain_axes


def quickstart() -> TrainConfig:
    """The main job: SmolLM2-135M and a scorer from scratch on the default MemWorld task, on a laptop."""
    return TrainConfig(
        recipe="quickstart",
        steps=30,
        env=EnvConfig(name="memworld", train_seeds=64),
        memory=MemoryConfig(linker="pattern"),
        # Narrow on purpose: a wider projection learns the training phrasings by heart.
        controller=ControllerConfig(options={"width": 4, "hidden": 32, "subjects": True}, max_ops=1),
        warm_start=WarmStartConfig(steps=160),
        # What an untrained controller holds is hardly worth a language model's time.
        rollout=RolloutConfig(tasks=1, practice_tasks=40, practice_first=0.5),
        learner=LearnerConfig(policy_learning_rate=3e-4, rereads=16, decay_from=0.33),
        evaluation=EvalConfig(
            episodes=32, rows=("own", "untrained", "none", "window", "bm25_archive", "linker_rule", "oracle")
        ),
    )


def controller_only() -> TrainConfig:
    """``quickstart`` with the policy frozen after its warm start."""
    base = quickstart()
    return replace(base, recipe="controller_only", policy=replace(base.policy, trained=False))


def policy_only() -> TrainConfig:
    """``quickstart`` with the controller left as it was initialised; the policy still rereads what practice asks."""
    base = quickstart()
    return replace(base, recipe="policy_only", controller=replace(base.controller, trained=False))


_SHORT = {"horizon": 12, "objects": 2, "places": 4, "questions": 3, "delay": 2}
"""MemWorld of twelve steps."""


def smoke() -> TrainConfig:
    """Both actors learn in well under a minute, from nothing: a pointing policy that says one word, hashed embeddings.

    Reward alone teaches the policy (``pointer``: no model, no warm start); the controller also practises.
    """
    return TrainConfig(
        recipe="smoke",
        steps=36,
        env=EnvConfig(name="memworld", options={**_SHORT, "distractor_level": 2, "contradict_rate": 0.0}),
        memory=MemoryConfig(linker="pattern", token_budget=32, read_budget=32, embedder="hash"),
        policy=PolicyConfig(name="pointer", max_new_tokens=1),
        warm_start=WarmStartConfig(steps=0),
        controller=ControllerConfig(options={"width": 8, "hidden": 16, "subjects": True}, max_ops=1),
        rollout=RolloutConfig(tasks=8, practice_tasks=2),
        learner=LearnerConfig(epochs=1, policy_learning_rate=0.02, controller_learning_rate=0.01, decay_from=0.6),
    )


def tiny() -> TrainConfig:
    """Every part in seconds: a tiny random language model (a byte is a token), its warm start, rereading.

    It shows that things run, not that they learn: such a model cannot read. That is for ``smoke``.
    """
    return TrainConfig(
        recipe="tiny",
        steps=3,
        checkpoint_every=1,
        env=EnvConfig(name="memworld", options=_SHORT),
        memory=MemoryConfig(linker="pattern", token_budget=160, read_budget=160, embedder="hash"),
        policy=PolicyConfig(model="tiny", lora_rank=4),
        warm_start=WarmStartConfig(steps=2, batch_size=4),
        controller=ControllerConfig(options={"width": 8, "hidden": 16, "subjects": True}),
        rollout=RolloutConfig(tasks=2, practice_tasks=2, group_size=4),
        learner=LearnerConfig(epochs=1, rereads=2),
        evaluation=EvalConfig(episodes=4),
    )


def graph() -> TrainConfig:
    """Two-hop questions: a quarter of the budget holds sentences, the rest edges."""
    base = quickstart()
    return replace(
        base,
        recipe="graph",
        env=EnvConfig(name="memworld", options=plain_axes(path_world()), train_seeds=64),
        memory=MemoryConfig(linker="pattern", token_budget=16, graph_budget=48, read_budget=64),
        controller=replace(base.controller, max_ops=2),
    )


def graph_token_only() -> TrainConfig:
    """``graph`` with the whole budget in sentences: what its edges are measured against."""
    return replace(
        graph(), recipe="graph_token_only", memory=MemoryConfig(linker="pattern", token_budget=64, read_budget=64)
    )


def long() -> TrainConfig:
    """For a GPU: 256 steps, sixteen facts and a budget that holds them."""
    return TrainConfig(
        recipe="long",
        env=EnvConfig(
            name="memworld",
            options={"horizon": 256, "objects": 12, "people": 4, "places": 16, "questions": 24, "delay": 32},
        ),
        memory=MemoryConfig(linker="pattern", token_budget=256, read_budget=256),
        policy=PolicyConfig(batch_tokens=65_536),
        rollout=RolloutConfig(tasks=8, practice_tasks=24, concurrency=1024),
        learner=LearnerConfig(batch_tokens=32_768),
        curriculum=CurriculumConfig(name="bandit"),
    )


def plain() -> TrainConfig:
    """For an environment of your own, which ``env.name`` must name: asks for no more than its four methods.

    No practice, no rereading and no warm start, all of which rest on knowing the right answers.
    """
    return TrainConfig(
        recipe="plain",
        warm_start=WarmStartConfig(steps=0),
        policy=PolicyConfig(max_new_tokens=16),
        rollout=RolloutConfig(tasks=8, practice_tasks=0),
    )
