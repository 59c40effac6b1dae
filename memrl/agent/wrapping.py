"""``wrap``: from whatever answers to a ``MemoryAgent``.

wrap("smollm2-135m")                     a known name, a folder, a hub id, a PEFT adapter's folder
wrap(model, tokenizer=tok)               a transformers model in hand, which stays as it is
wrap("runs/quickstart-0")                the run's own policy, controller and budgets
wrap("http://host/v1", model_name=…)     any OpenAI-compatible endpoint: the model stays there
wrap(policy)                             a part of kind "policy" of one's own
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from memrl.agent.engine import Engine
from memrl.agent.files import FileHome, can_hold, check_file
from memrl.agent.homes import Home, checked_path
from memrl.agent.memory_agent import MemoryAgent
from memrl.agent.ram import RamHome
from memrl.agent.texts import checked_trust, checked_zone
from memrl.contracts.config import EnvConfig, MemoryConfig, PolicyConfig, TrainConfig
from memrl.contracts.errors import ConfigError, InputError
from memrl.contracts.protocols import PLAIN, Agent, Brief, Policy
from memrl.policies.endpoint import Endpoint, EndpointOptions, is_url
from memrl.policies.frozen_lm import FrozenLM, is_chat
from memrl.policies.oracle_reader import OracleReader
from memrl.training.build import build_agent
from memrl.training.policies import load_policies
from memrl.training.run_folder import is_run, load_run
from memrl.training.start import SHIPPED, started_config

READER = Brief(
    header="Answer the question from the memory below, in a few words.",
    lines=None,
    background="You are a helpful assistant who remembers this:",
)
"""What a model is told that speaks by a chat template. What the controller read first stands alone with the question,
the rest before it: a small model with twenty lines beside the question answers from any of them."""
LEAST = 8
"""Tokens in which a line of memory can be shown, its mark included."""
COMPLETER = replace(READER, lines=1)
"""What a model is told that only goes on with a text: its answer is one line."""


def wrap(
    model: str | Path | Any,
    memory: str | Path | None = None,
    *,
    tokenizer: Any = None,
    archive_tokens: int = 100_000,
    read_tokens: int = 256,
    max_new_tokens: int = 64,
    trust_floor: float = 0.5,
    controller: str = SHIPPED,
    checkpoint: Literal["last", "best"] = "last",
    model_name: str = "",
    api_key: str = "",
    timeout: float = 60.0,
    clock: Callable[[], float] = time.time,
    timezone: str | tzinfo = "UTC",
) -> MemoryAgent:
    """A memory agent around a model, which stays as it is.

    Args:
        model: a run folder, a known name, a model folder, an adapter's folder, a hub id, a transformers causal LM, the
            URL of an OpenAI-compatible endpoint, such as ``http://localhost:8000/v1``, or a policy.
        memory: file that the memory is loaded from, if it exists, and saved to.
        tokenizer: of a model passed as an object; of an endpoint's model, to count tokens by: else three bytes of UTF-8
            count as one.
        archive_tokens: budget of the archive, where ``model`` is not a run.
        read_tokens: tokens of memory in view at one question, where ``model`` is not a run.
        max_new_tokens: of one answer, where ``model`` is not a run.
        trust_floor: no answer rests on what is trusted less until others say it or ``verify`` is called; not of a run.
        controller: an exported one's folder, where ``model`` is not a run; "shipped" for the one of the package.
        checkpoint: of a run, its newest weights or its best.
        model_name: of an endpoint, the model that it is to answer with.
        api_key: of an endpoint; sent as a bearer token, written nowhere.
        timeout: seconds to wait for an endpoint.
        clock: tells the time, in seconds since 1970.
        timezone: whose days the dates are that the model is told, such as "Europe/Lisbon"; a datetime without a zone is
            of this one.

    Raises:
        InputError: the model or the file cannot be used.
    """
    _check_named(model, controller, checkpoint)
    zone = checked_zone("wrap(timezone=)", timezone)
    _check_given(archive_tokens, read_tokens, max_new_tokens, clock)
    path = checked_path("wrap(memory=)", memory) if memory is not None else None
    if path is not None:
        check_file(path)
    if isinstance(model, str | Path) and is_run(Path(model)):
        engine = _of_run(Path(model), checkpoint)
    else:
        policy, config = _policy(model, tokenizer, max_new_tokens, EndpointOptions(
            url=str(model) if is_url(model) else "", model=model_name, timeout=timeout), api_key)  # fmt: skip
        engine = _of_policy(policy, config, _budgets(archive_tokens, read_tokens, trust_floor), str(controller))
    engine = replace(engine, zone=zone)
    durable = path is not None and can_hold(engine.agent)
    home: Home = FileHome(engine.agent, path) if durable and path is not None else RamHome(engine.agent, path)
    return MemoryAgent(engine, home, clock=clock)


def _check_named(model: Any, controller: Any, checkpoint: Any) -> None:
    """Raises InputError on what names no model, no controller or no checkpoint."""
    if model is None or (isinstance(model, str) and not model.strip()):
        raise InputError(f"wrap(model) = {model!r}: name a model, such as 'smollm2-135m', or pass one")
    if not isinstance(controller, str | Path) or not str(controller).strip():
        raise InputError(
            f"wrap(controller=) = {controller!r:.60}: name an exported controller's folder, or {SHIPPED!r}"
        )
    if checkpoint not in ("last", "best"):
        raise InputError(f"wrap(checkpoint=) = {checkpoint!r:.60}: it must be 'last' or 'best'")
    if is_url(model) and not urlsplit(str(model)).netloc:
        raise InputError(f"wrap(model) = {model!r}: it names no host; such as 'http://localhost:8000/v1'")


def _check_given(archive_tokens: Any, read_tokens: Any, max_new_tokens: Any, clock: Any) -> None:
    """Raises InputError on a count that is too small or none, and on what tells no time."""
    counts = {"archive_tokens": (archive_tokens, 1), "read_tokens": (read_tokens, LEAST)}
    for name, (count, least) in {**counts, "max_new_tokens": (max_new_tokens, 1)}.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < least:
            raise ConfigError(f"wrap({name}=)", count, f"it must be a whole number of at least {least}")
    if not callable(clock):
        raise InputError(f"wrap(clock=) = {clock!r:.60}: pass a function that tells seconds since 1970")


def _of_run(folder: Path, which: Literal["last", "best"]) -> Engine:
    config, checkpoint = load_run(folder, which)
    agent = build_agent(config)
    if isinstance(agent.policy, OracleReader):
        way_out = (
            "the policy of this run only reads evidence labels; `memrl export RUN --what controller`, then wrap a "
        )
        raise ConfigError("wrap(model)", str(folder), way_out + "model with controller=DIR")
    load_policies(agent, checkpoint)
    agent.controller.load_state_dict(checkpoint["controller"])
    alone = agent.archive_all and config.memory.token_budget == 0 and config.memory.graph_budget == 0
    return Engine(agent=agent, brief=PLAIN, keeps_all=alone, model=str(folder))


def _policy(
    model: Any, tokenizer: Any, max_new_tokens: int, endpoint: EndpointOptions, api_key: str
) -> tuple[Policy, PolicyConfig]:
    """Who answers, and the config section that says so."""
    name = str(model) if isinstance(model, str | Path) else "object"
    config = PolicyConfig(name="frozen", model=name, trained=False, max_new_tokens=max_new_tokens)
    if endpoint.url:
        return Endpoint(replace(config, name="endpoint"), endpoint, api_key=api_key, tokenizer=tokenizer), config
    own: Any = model
    if callable(getattr(own, "sample", None)):
        return own, config
    if not isinstance(model, str | Path):
        if not callable(getattr(model, "forward", None)):
            raise InputError(f"wrap(model) = {model!r:.60}: pass a name, a folder, a URL or a transformers causal LM")
        chat = is_chat(tokenizer)
        config = replace(config, prompt="chat" if chat else "plain")
        return FrozenLM(config, model=model, tokenizer=tokenizer), config
    policy = FrozenLM(config)
    if is_chat(policy.tokenizer):
        config = replace(config, prompt="chat")
        policy = FrozenLM(config, model=policy.model, tokenizer=policy.tokenizer)
    return policy, config


def _budgets(archive_tokens: int, read_tokens: int, trust_floor: float) -> MemoryConfig:
    """Everything is kept, and looked at within ``read_tokens``."""
    return MemoryConfig(
        token_budget=0,
        archive_budget=archive_tokens,
        archive_all=True,
        archive="bm25",
        read_budget=read_tokens,
        read_trust=checked_trust("wrap(trust_floor=)", trust_floor),
        texts=0,
    )


def _of_policy(policy: Policy, section: PolicyConfig, budgets: MemoryConfig, controller: str) -> Engine:
    _check_view(policy, section, budgets.read_budget)
    config = TrainConfig(
        env=EnvConfig(name="conversation"),
        policy=section,
        memory=budgets,
        controller=started_config(controller),
    )
    agent: Agent = build_agent(config, policy=policy)
    chats = isinstance(policy, Endpoint) or section.prompt == "chat"
    return Engine(agent=agent, brief=READER if chats else COMPLETER, keeps_all=True, model=section.model)


def _check_view(policy: Policy, section: PolicyConfig, read_tokens: int) -> None:
    """A full view, its frame and an answer fit the model's context. Raises ConfigError naming both numbers."""
    context = getattr(policy, "context_length", None)
    if context is not None and isinstance(read_tokens, int) and read_tokens + section.max_new_tokens > context:
        way_out = (
            f"with max_new_tokens = {section.max_new_tokens} it exceeds the context of this model, {context} tokens; "
            f"give less than {max(context - section.max_new_tokens, 1)}"
        )
        raise ConfigError("wrap(read_tokens=)", read_tokens, way_out)
