"""Several policies in one episode: who else acts than "policy", who of them learns, and how they come back.

    others:                          # in a config; empty by default
      policy:bob: {}                 # a model of his own, made as ``policy`` says
      policy:eve: {trained: false}   # knobs in which she differs from it

An observation says whom it asks (``Observation.to``). Whoever is asked and stands nowhere in ``others`` shares the
model of "policy", and what he decides is learned by that. Each model learns from its own actors' decisions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

from memrl.contracts.config import PolicyConfig, TrainConfig
from memrl.contracts.config_io import changed
from memrl.contracts.contexts import PolicyContext
from memrl.contracts.errors import ConfigError
from memrl.contracts.promised import TRAINABLE
from memrl.contracts.protocols import Agent, Policy, TaskSource, TrainablePolicy
from memrl.contracts.registry import make
from memrl.contracts.types import POLICY, Actor, is_policy

OTHERS = "others"


def configs_of_others(config: TrainConfig) -> dict[Actor, PolicyConfig]:
    """Each further actor with its whole policy config, by name in order.

    Raises:
        ConfigError: a name that is no further policy's, or a knob that a policy does not have.
    """
    made: dict[Actor, PolicyConfig] = {}
    for actor, knobs in sorted(config.others.items()):
        if not is_policy(actor) or actor == POLICY or actor.endswith(":"):
            raise ConfigError(f"{OTHERS}.{actor}", knobs, "name a further policy, such as 'policy:bob'")
        if not isinstance(knobs, Mapping):
            way_out = "give the knobs in which it differs from `policy`, or {} for none"
            raise ConfigError(f"{OTHERS}.{actor}", knobs, way_out)
        made[actor] = changed(config.policy, knobs, f"{OTHERS}.{actor}.")
    return made


def build_others(config: TrainConfig, task_source: TaskSource) -> dict[Actor, Policy]:
    """A policy for each further actor; its seed is the run's and its name's, so that no two begin alike."""
    made: dict[Actor, Policy] = {}
    for actor, knobs in configs_of_others(config).items():
        seed = (config.seed + crc32(actor.encode())) % 2**31
        context = PolicyContext(config=knobs, seed=seed, task_source=task_source)
        made[actor] = make("policy", knobs.name, knobs.options, f"{OTHERS}.{actor}.name", context)
    return made


def learners_of(
    config: TrainConfig, agent: Agent, trained: Callable[[Any, bool, str], Any]
) -> Mapping[Actor, TrainablePolicy | None]:
    """Who learns from whose decisions, for the learner: actor -> model, None for one that stays as it is.

    Args:
        trained: part, whether it is wanted, its section -> the part or None.

    Raises:
        ConfigError: a policy has weights, and lacks something that it takes to train them.
    """
    found = {POLICY: trained(agent.policy, config.policy.trained, POLICY)}
    for actor, knobs in configs_of_others(config).items():
        found[actor] = trained(agent.others[actor], knobs.trained, f"{OTHERS}.{actor}")
    for actor, policy in found.items():
        section = POLICY if actor == POLICY else f"{OTHERS}.{actor}"
        if policy is not None and (lacks := [name for name in TRAINABLE if not hasattr(policy, name)]):
            way_out = f"it has parameters() and lacks {', '.join(lacks)}; add them, or set {section}.trained = false"
            raise ConfigError(f"{section}.name", type(policy).__qualname__, way_out)
    return found


def with_others(agent: Agent, config: TrainConfig) -> Agent:
    """The agent with all further policies that the config names."""
    return replace(agent, others=build_others(config, agent.task_source)) if config.others else agent


def load_policies(agent: Agent, parts: Mapping[str, Any]) -> None:
    """Take up the weights of every policy from the parts of a checkpoint."""
    agent.policy.load_state_dict(parts[POLICY])
    for actor, policy in agent.others.items():
        policy.load_state_dict(parts[actor])
