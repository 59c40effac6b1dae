"""Reading and writing of text that nobody here wrote, and of MemWorld in its styles."""

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
from memrl.envs.memworld.presets import natural as natural_world
from memrl.recipes.presets import plain_axes


def reading() -> TrainConfig:
    """What to bring into view out of everything, on real text, by reward for evidence alone: minutes on a core.

    No language model takes part: an exact reader answers where the evidence is in view. ``env.options.data`` names the
    streams (``memrl data list``), your own file too. Everything is archived; the read budget is what is scarce.
    """
    return TrainConfig(
        recipe="reading",
        steps=30,
        env=EnvConfig(
            name="documents",
            options={"data": ["timeqa", "2wiki_qa", "hotpotqa", "fairytaleqa"], "questions": 40},
        ),
        memory=MemoryConfig(
            token_budget=0, archive_budget=10_000_000, archive_all=True, archive="bm25", read_budget=256, texts=0
        ),
        policy=PolicyConfig(name="exact", options={"tokenizer": "smollm2-135m"}, trained=False),
        warm_start=WarmStartConfig(steps=0),
        # No projection of embeddings: plain measures of fit carry over to text of another kind.
        controller=ControllerConfig(
            offers="entries",
            max_reads=64,
            options={
                "width": 0,
                "hidden": 64,
                "prior": {"read_tokens_place": 3.0, "read_fused_tokens_place": 3.0, "read_keep": -3.0},
            },
        ),
        rollout=RolloutConfig(tasks=0, practice_tasks=4),
        credit=CreditConfig(name="reading"),
        learner=LearnerConfig(controller_learning_rate=2e-3, entropy=0.003, epochs=2, minibatches=8, decay_from=0.5),
        evaluation=EvalConfig(rows=("own", "untrained", "bm25", "dense", "rrf", "late_interaction", "evidence")),
    )


def documents() -> TrainConfig:
    """A language model reads what the controller brings into view and answers, on streams of text; both learn.

    A short warm start on training streams (evidence among other lines, question, answer), then RL: the policy earns
    token F1, the controller, which begins as the one that ships, evidence in view, most of it in practice without the
    model. ``policy.model`` is any Hugging Face model; ``env.options.data`` names the streams. See docs/answers.md.
    """
    base = reading()
    return replace(
        base,
        recipe="documents",
        steps=20,
        # A step reads 64 views, some 20,000 tokens: seconds on a GPU, minutes on a core.
        env=EnvConfig(name="documents", options={**base.env.options, "questions": 8}),
        policy=PolicyConfig(max_new_tokens=16),
        warm_start=WarmStartConfig(steps=100),
        controller=replace(base.controller, start="shipped"),
        rollout=RolloutConfig(tasks=1, practice_tasks=4),
    )


def dialogue() -> TrainConfig:
    """``documents`` on long conversations such as LoCoMo's: the last dialogue is held out."""
    base = documents()
    return replace(
        base,
        recipe="dialogue",
        env=EnvConfig(name="documents", options={**base.env.options, "data": ["locomo"]}),
    )


def natural() -> TrainConfig:
    """Memory control learned with no rules of English: MemWorld as people tell it, no linker, an exact reader.

    Everything is archived and 64 tokens, some three sentences, may be read. Which of them answers is learned from
    whether the evidence was in view, and from nothing else.
    """
    base = reading()
    return replace(
        base,
        recipe="natural",
        steps=20,
        env=EnvConfig(
            name="memworld", options=plain_axes(replace(natural_world(), horizon=120, questions=20)), train_seeds=64
        ),
        memory=replace(base.memory, read_budget=64),
        controller=replace(
            base.controller,
            offers_options={"story": True, "matches": 32},
            max_reads=8,
            options={
                "width": 8,
                "hidden": 64,
                "query_heads": 2,
                "layer": 6,
                "prior": {"read_tokens_place": 3.0, "read_cosine_place": 3.0, "read_keep": -3.0},
            },
        ),
        rollout=RolloutConfig(tasks=0, practice_tasks=8),
        curriculum=CurriculumConfig(name="target"),
        evaluation=EvalConfig(rows=(*base.evaluation.rows[:-1], "newest", "newest_dense", "dense_trusted", "evidence")),
    )


def natural_writing() -> TrainConfig:
    """``natural`` with 64 tokens of memory in all, so that what is kept decides: not solved, see docs/memworld.md."""
    return TrainConfig(
        recipe="natural_writing",
        steps=30,
        env=EnvConfig(name="memworld", options=plain_axes(natural_world()), train_seeds=24),
        policy=PolicyConfig(name="exact", options={"tokenizer": "smollm2-135m"}, trained=False),
        warm_start=WarmStartConfig(steps=0),
        controller=ControllerConfig(options={"width": 0, "hidden": 32, "features": 32, "heads": 2}, max_ops=1),
        rollout=RolloutConfig(tasks=0, practice_tasks=30),
        learner=LearnerConfig(controller_learning_rate=5e-3, decay_from=0.5),
    )


def poisoned() -> TrainConfig:
    """``natural`` under attack: half of the questions have a text planted against them, by a source of little trust.

    The exact reader believes whatever is in view, so the controller learns what not to bring there. docs/poisoning.md.
    """
    env = natural().env
    attacked = {"env": env.name, "env_options": dict(env.options)}
    return replace(natural(), recipe="poisoned", env=replace(env, name="poisoned", options=attacked))


def writing() -> TrainConfig:
    """What to keep of a long stream before anybody has asked, a tenth of it or less; credit by the evidence left.

    No language model: the exact reader answers. ``env.options`` say which streams; see docs/writing.md.
    """
    return TrainConfig(
        recipe="writing",
        steps=30,
        checkpoint_every=5,
        env=EnvConfig(name="documents", options={"data": "timeqa"}),
        memory=MemoryConfig(token_budget=1024, read_budget=1024),
        policy=PolicyConfig(name="exact", trained=False),
        warm_start=WarmStartConfig(steps=0),
        controller=ControllerConfig(name="worth", offers="worth", max_ops=1, options={"width": 8}),
        rollout=RolloutConfig(tasks=8, practice_tasks=0, group_size=6, env_workers=0),
        credit=CreditConfig(name="retention"),
        learner=LearnerConfig(decay_from=0.5),
        evaluation=EvalConfig(rows=("own", "untrained", "none", "fifo", "random", "longest", "novel")),
    )
