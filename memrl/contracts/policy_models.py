"""Which policies have a language model, and the knobs that nobody else reads."""

from __future__ import annotations

from collections.abc import Mapping

from memrl.contracts.errors import ConfigError
from memrl.contracts.registry import find

_KNOBS = ("model", "dtype", "lora_rank", "batch_tokens", "prefix_cache_mib", "prompt", "template")
OF_MODELS = frozenset({"--model", *(f"policy.{knob}" for knob in _KNOBS)})
"""Settings that only a policy with a language model reads."""


def loads_model(name: str) -> bool:
    """Whether a policy is made of ``policy.model``. One that is not says ``loads_model = False`` in its options' class.

    Raises:
        ConfigError: there is no such policy.
    """
    return bool(getattr(find("policy", name, "policy.name").options, "loads_model", True))


def check_read(name: str, given: Mapping[str, object]) -> None:
    """Refuse what a policy would not read.

    Args:
        given: settings by name ("policy.lora_rank", "--model"), with their values.

    Raises:
        ConfigError: one is of a language model, and the policy has none.
    """
    unread = [one for one in given if ".".join(one.split(".")[:2]) in OF_MODELS]
    if unread and not loads_model(name):
        way_out = f"policy {name!r} has no language model to read it; leave it out, or set policy.name=hf too"
        raise ConfigError(unread[0], given[unread[0]], way_out)
