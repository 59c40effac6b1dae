"""Agents that act: text games and tools."""

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
        steps=72,
        checkpoint_every=24,
        env=EnvConfig(name="toolworld", train_seeds=4000),
        memory=MemoryConfig(token_budget=32, read_budget=32, embedder="hash"),
        policy=PolicyConfig(name="chooser", options={"unknown": 0.3}, max_new_tokens=64),
        warm_start=WarmStartConfig(
            steps=600, batch_size=32, learning_rate=0.02, demonstrations=128, demonstrated_with="full_context"
        ),
        controller=ControllerConfig(max_ops=1, options={"width": 8, "hidden": 32}),
        rollout=RolloutConfig(tasks=6, practice_tasks=0, group_size=6, env_workers=0),
        credit=CreditConfig(name="retention"),
        curriculum=CurriculumConfig(name="target"),
        learner=LearnerConfig(policy_learning_rate=3e-3, controller_learning_rate=0.01, epochs=2, decay_from=0.5),
        evaluation=EvalConfig(
            episodes=64,
            rows=("own", "untrained", "none", "window", "fifo", "bm25_archive", "oracle", "full_context"),
            greedy=False,
        ),
    )


def textworld() -> TrainConfig:
    """Cooking games of TextWorld that take some forty commands, with a memory that holds the recipe and little else.

    A policy of ten thousand weights learns from walkthroughs what to do about a recipe in view, and the scorer what the
    best keeper keeps along them; then both play for points. Needs ``memrl[textworld]``; see docs/textworld.md.
    """
    return TrainConfig(
        recipe="textworld",
        steps=20,
        checkpoint_every=10,
        env=EnvConfig(
            name="textworld",
            options={
                "kind": "cooking",
                "ingredients": 5,
                "drop": True,
                "cook": False,
                "piece_words": 24,
                "hide": "^(look|inventory|examine (?!cookbook)|put|insert|close)",
                "ladder": False,
            },
            train_seeds=160,
        ),
        memory=MemoryConfig(token_budget=64, read_budget=64, embedder="hash"),
        policy=PolicyConfig(name="chooser", options={"unknown": 0.3}),
        warm_start=WarmStartConfig(
            steps=600,
            demonstrations=80,
            demonstrated_with="oracle",
            controller_steps=300,
            batch_size=16,
            learning_rate=0.01,
        ),
        controller=ControllerConfig(max_ops=1, options={"width": 8, "hidden": 32}),
        # Hardly a game is met twice: who meets few of them often learns them by heart.
        rollout=RolloutConfig(tasks=4, practice_tasks=0, group_size=8, env_workers=0),
        # A point is earned some six commands after the last: what comes much later says little of a command.
        credit=CreditConfig(discount=0.9),
        learner=LearnerConfig(policy_learning_rate=2e-3, controller_learning_rate=1e-4, decay_from=0.5),
        evaluation=EvalConfig(episodes=32, rows=("own", "untrained", "none", "window", "fifo", "oracle"), greedy=False),
    )
