"""Memory that a model writes: MemAgent, MEM1, Memory-R1."""

from __future__ import annotations

from dataclasses import replace

from memrl.contracts.config import (
    ControllerConfig,
    CreditConfig,
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
from memrl.envs.memworld.presets import three_things
from memrl.recipes.presets import plain_axes


def overwrite() -> TrainConfig:
    """MemAgent's memory (arXiv:2507.02259) in minutes on a core: a pointer network rewrites one text for each chunk of
    four sentences and answers from it alone. A short warm start on ideal memories, then reward alone.
    """
    return TrainConfig(
        recipe="overwrite",
        steps=100,
        checkpoint_every=50,
        env=EnvConfig(name="chunks", options={"env": "memworld", "size": 4, "env_options": plain_axes(three_things())}),
        memory=MemoryConfig(token_budget=20, read_budget=20, embedder="hash"),
        policy=PolicyConfig(
            name="pointer", options={"writes": True, "content": False, "hidden": 64, "width": 8}, max_new_tokens=1
        ),
        warm_start=WarmStartConfig(steps=1200, batch_size=16, learning_rate=0.02, memory_tasks=128),
        controller=ControllerConfig(name="overwrite", options={"max_new_tokens": 12}),
        rollout=RolloutConfig(tasks=8, practice_tasks=0, env_workers=0),
        credit=CreditConfig(name="multi_conversation"),
        learner=LearnerConfig(policy_learning_rate=6e-3, decay_from=0.5),
        curriculum=CurriculumConfig(name="target"),
        evaluation=EvalConfig(rows=("own", "none")),
    )


def memagent() -> TrainConfig:
    """``overwrite`` under the name of its paper."""
    return replace(overwrite(), recipe="memagent")


def mem1() -> TrainConfig:
    """MEM1's memory (arXiv:2506.15841): one state rewritten at every turn, also before the policy answers, when it
    knows what is asked; all that it has of older turns. Credit by GAE with lambda 1 and the siblings for a critic.
    Sixteen questions a text, for each of which the state is written once more: it learns to lose nothing by that.
    """
    base = overwrite()
    asked = plain_axes(replace(three_things(), horizon=40, questions=16))
    return replace(
        base,
        recipe="mem1",
        env=replace(base.env, options={**base.env.options, "env_options": asked}),
        controller=ControllerConfig(name="state", options={"max_new_tokens": 12, "questions": True}),
        rollout=RolloutConfig(tasks=8, practice_tasks=0, env_workers=0, query_free=False),
        credit=CreditConfig(name="gae", options={"gae_lambda": 1.0}),
    )


def memory_r1() -> TrainConfig:
    """Memory-R1's manager (arXiv:2508.19828): calls that write, overwrite, forget or keep numbered entries, under a
    grammar; an op is judged by the next answer alone. Several calls a step, as a step is a chunk of four sentences.
    """
    return replace(
        overwrite(),
        recipe="memory_r1",
        controller=ControllerConfig(name="ops", options={"max_new_tokens": 16}),
        credit=CreditConfig(name="memory_r1"),
    )
