"""Runs worth keeping, by name. Each is a function that makes a whole config; ``recipe`` finds it and changes knobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from memrl.contracts.config import (
    ControllerConfig,
    CreditConfig,
    CurriculumConfig,
    EnvConfig,
    EvalConfig,
    LearnerConfig,
    MemoryConfig,
    MonitorConfig,
    PolicyConfig,
    ReflectionConfig,
    RolloutConfig,
    TrainConfig,
    WarmStartConfig,
)
from memrl.contracts.config_io import changed, config_from_dict
from memrl.contracts.errors import ConfigError
from memrl.envs.memworld.presets import natural as natural_world
from memrl.envs.memworld.presets import path_world, three_things


def _plain(theta: Any) -> dict[str, Any]:
    """A preset's axes as a config keeps them: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(theta).items()}


def quickstart() -> TrainConfig:
    """The main job: SmolLM2-135M and a scorer from scratch on the default MemWorld task, on a laptop."""
    return TrainConfig(
        recipe="quickstart",
        steps=30,
        env=EnvConfig(name="memworld", train_seeds=64),
        memory=MemoryConfig(linker="pattern"),
        # Narrow on purpose: a wider projection learns the training phrasings by heart.
        controller=ControllerConfig(options={"width": 4, "hidden": 32, "subjects": True}, max_ops=1),
        rollout=RolloutConfig(tasks=2, practice_tasks=40),
        learner=LearnerConfig(policy_learning_rate=3e-4, rereads=16, decay_from=0.33),
    )


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
        env=EnvConfig(name="memworld", options=_plain(path_world()), train_seeds=64),
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


def textworld() -> TrainConfig:
    """Cooking games of TextWorld that take some forty commands, with a memory that holds the recipe and little else.

    A policy of ten thousand weights learns from walkthroughs what to do about a recipe in view, and the scorer what the
    best keeper keeps along them; then both play for points. Needs ``memrl[textworld]``; see docs/textworld.md.
    """
    return TrainConfig(
        recipe="textworld",
        steps=10,
        checkpoint_every=5,
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
            train_seeds=16,
        ),
        memory=MemoryConfig(token_budget=64, read_budget=64, embedder="hash"),
        policy=PolicyConfig(name="chooser"),
        warm_start=WarmStartConfig(
            steps=300,
            demonstrations=20,
            demonstrated_with="oracle",
            controller_steps=300,
            batch_size=16,
            learning_rate=0.01,
        ),
        controller=ControllerConfig(max_ops=1, options={"width": 8, "hidden": 32}),
        rollout=RolloutConfig(tasks=2, practice_tasks=0, group_size=8, env_workers=0),
        # A point is earned some six commands after the last: what comes much later says little of a command.
        credit=CreditConfig(discount=0.9),
        learner=LearnerConfig(policy_learning_rate=5e-3, controller_learning_rate=1e-3, decay_from=0.5),
        evaluation=EvalConfig(episodes=16, rows=("own", "untrained", "none", "window", "fifo", "oracle")),
    )


def overwrite() -> TrainConfig:
    """MemAgent's memory (arXiv:2507.02259) in minutes on a core: a pointer network rewrites one text for each chunk of
    four sentences and answers from it alone. A short warm start on ideal memories, then reward alone.
    """
    return TrainConfig(
        recipe="overwrite",
        steps=100,
        checkpoint_every=50,
        env=EnvConfig(name="chunks", options={"env": "memworld", "size": 4, "env_options": _plain(three_things())}),
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
            name="memworld", options=_plain(replace(natural_world(), horizon=120, questions=20)), train_seeds=64
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


def poisoned() -> TrainConfig:
    """``natural`` under attack: half of the questions have a text planted against them, by a source of little trust.

    The exact reader believes whatever is in view, so the controller learns what not to bring there. docs/poisoning.md.
    """
    env = natural().env
    attacked = {"env": env.name, "env_options": dict(env.options)}
    return replace(natural(), recipe="poisoned", env=replace(env, name="poisoned", options=attacked))


def natural_writing() -> TrainConfig:
    """``natural`` with 64 tokens of memory in all, so that what is kept decides: not solved, see docs/memworld.md."""
    return TrainConfig(
        recipe="natural_writing",
        steps=30,
        env=EnvConfig(name="memworld", options=_plain(natural_world()), train_seeds=24),
        policy=PolicyConfig(name="exact", options={"tokenizer": "smollm2-135m"}, trained=False),
        warm_start=WarmStartConfig(steps=0),
        controller=ControllerConfig(options={"width": 0, "hidden": 32, "features": 32, "heads": 2}, max_ops=1),
        rollout=RolloutConfig(tasks=0, practice_tasks=30),
        learner=LearnerConfig(controller_learning_rate=5e-3, decay_from=0.5),
    )


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


def controller_only() -> TrainConfig:
    """``quickstart`` with the policy frozen after its warm start."""
    base = quickstart()
    return replace(base, recipe="controller_only", policy=replace(base.policy, trained=False))


def policy_only() -> TrainConfig:
    """``quickstart`` with the controller left as it was initialised; the policy still rereads what practice asks."""
    base = quickstart()
    return replace(base, recipe="policy_only", controller=replace(base.controller, trained=False))


def selftrain() -> TrainConfig:
    """``quickstart`` with tasks that the agent writes, lessons proven by replay, and a monitor against collapse."""
    base = quickstart()
    return replace(
        base,
        recipe="selftrain",
        # A task of the language model's own takes some seconds on a CPU: three a step.
        curriculum=CurriculumConfig(name="written", options={"proposed": 0.06}, proposer="lm"),
        reflection=ReflectionConfig(mode="dpo"),
        monitor=MonitorConfig(every=5),
    )


def selftrain_tiny() -> TrainConfig:
    """All of ``selftrain`` in seconds, as ``tiny`` is to ``quickstart``."""
    base = tiny()
    return replace(
        base,
        recipe="selftrain_tiny",
        steps=4,
        rollout=replace(base.rollout, practice_tasks=6),
        curriculum=CurriculumConfig(name="written", proposer="lm"),
        reflection=ReflectionConfig(mode="distil_memory"),
        monitor=MonitorConfig(every=2, anchors=4),
    )


RECIPES: Mapping[str, Callable[[], TrainConfig]] = {
    maker.__name__: maker
    for maker in (
        quickstart,
        smoke,
        tiny,
        graph,
        graph_token_only,
        long,
        plain,
        textworld,
        overwrite,
        reading,
        documents,
        dialogue,
        natural,
        natural_writing,
        poisoned,
        writing,
        controller_only,
        policy_only,
        selftrain,
        selftrain_tiny,
    )
}


def recipe(name: str = "quickstart", **changes: Any) -> TrainConfig:
    """The recipe of that name with some knobs changed: ``recipe("smoke", seed=1, policy={"lora_rank": 8})``.

    Raises:
        ConfigError: there is no such recipe or knob, or no run can have the value.
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise ConfigError("recipe", name, f"it is none of {', '.join(RECIPES)}")
    return changed(RECIPES[name](), changes)


def configured(data: Mapping[str, Any], base: str | None = None) -> TrainConfig:
    """The config that a file holds, on top of a recipe: ``base``, else the one that ``recipe`` in it names.

    A file that holds every knob needs no recipe: its ``recipe`` may be any name.

    Raises:
        ConfigError: there is no such recipe or knob, or no run can have the value.
    """
    knobs = {name: value for name, value in data.items() if name != "recipe"}
    named = data.get("recipe", "quickstart")
    whole = knobs.keys() >= {knob.name for knob in fields(TrainConfig)} - {"recipe"}
    if base is None and whole and named not in list(RECIPES):
        return config_from_dict(data)
    return recipe(base or named, **{str(name): value for name, value in knobs.items()})
