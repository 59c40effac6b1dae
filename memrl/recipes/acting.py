"""Recipes of environments that are acted on with tools; ``recipes.py`` finds them by name."""

from __future__ import annotations

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


def toolworld() -> TrainConfig:
    """Search, SQL and Python in one episode of thirty calls, and results that are needed many calls later: minutes on a
    core. ``chooser`` learns by walkthroughs to take a call from what it reads; then it learns by reward, and the scorer
    by what memory can still answer because of it.
    """
    return TrainConfig(
        recipe="toolworld",
        steps=36,
        checkpoint_every=12,
        env=EnvConfig(name="toolworld", train_seeds=96),
        memory=MemoryConfig(token_budget=32, read_budget=32, embedder="hash"),
        policy=PolicyConfig(name="chooser", options={"width": 3}, max_new_tokens=64),
        warm_start=WarmStartConfig(
            steps=600, batch_size=32, learning_rate=0.02, demonstrations=128, demonstrated_with="full_context"
        ),
        controller=ControllerConfig(max_ops=1, options={"width": 8, "hidden": 32}),
        rollout=RolloutConfig(tasks=6, practice_tasks=0, group_size=6, env_workers=0),
        credit=CreditConfig(name="retention"),
        curriculum=CurriculumConfig(name="target"),
        learner=LearnerConfig(policy_learning_rate=3e-3, controller_learning_rate=0.01, epochs=2, decay_from=0.5),
        evaluation=EvalConfig(
            episodes=64, rows=("own", "untrained", "none", "window", "fifo", "bm25_archive", "full_context")
        ),
    )
