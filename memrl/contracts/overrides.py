"""Knobs from outside Python: ``section.knob=value`` on a command line, and whole configs as YAML files.

YAML is read by its 1.2 rules: ``1e-4`` is a number, ``off`` and ``no`` are texts, ``010`` is ten, a date is a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import yaml

from memrl.contracts.checks import knob_types, nearest
from memrl.contracts.config import TrainConfig
from memrl.contracts.config_io import changed, config_to_dict
from memrl.contracts.errors import ConfigError, InputError

EVAL_KNOBS = (
    "env", "memory.token_budget", "memory.graph_budget", "memory.archive_budget", "memory.read_budget", "evaluation",
    "rollout.concurrency", "rollout.query_free", "rollout.step_limit", "rollout.env_seconds",
    "rollout.env_workers", "rollout.scratch_turns", "controller.max_ops",
    "policy.device", "policy.dtype", "policy.batch_tokens", "policy.max_new_tokens",
)  # fmt: skip
"""Knobs and sections that an evaluation may have otherwise than its run; it reads no others."""

_RULES = {
    "tag:yaml.org,2002:bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    "tag:yaml.org,2002:int": (re.compile(r"[-+]?[0-9]+"), "-+0123456789"),
    "tag:yaml.org,2002:float": (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        "-+.0123456789",
    ),
}
_TIME = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Numbers and truth values by YAML 1.2; a name may stand once in a mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)  # pyright: ignore[reportUnknownMemberType]
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", key.start_mark)
            seen.append(name)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either version of YAML would take for something else."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in (*_RULES, _TIME)]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Dumper.yaml_implicit_resolvers = {f: list(rules) for f, rules in yaml.SafeDumper.yaml_implicit_resolvers.items()}
for _tag, (_rule, _first) in _RULES.items():
    _whole = re.compile(rf"(?:{_rule.pattern})$")
    _Loader.add_implicit_resolver(_tag, _whole, list(_first))
    _Dumper.add_implicit_resolver(_tag, _whole, list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


def with_settings(config: TrainConfig, settings: Sequence[str], allowed: Sequence[str] | None = None) -> TrainConfig:
    """A config with knobs set by texts such as ``rollout.tasks=8`` or ``env.options.horizon=480``.

    All are applied together, the later of two for one knob. Values are YAML; a knob that is a text takes its value
    as it stands, a knob that is a list of texts takes ``a,b`` as well. A name below a mapping changes that name only;
    options belong to their part, so where another part is named as well, they start from none.

    Raises:
        ConfigError: there is no such knob, no run can have its value, or it is none of the ``allowed`` (knobs and
            sections).
    """
    if isinstance(settings, str):
        raise ConfigError("settings", settings, "it must be a list of texts such as 'section.knob=value'")
    changes: dict[str, Any] = {}
    # Sections before what stands in them, and so the name of a part before its options.
    for setting in sorted(settings, key=lambda one: one.partition("=")[0].count(".")):
        path, mark, text = setting.partition("=")
        if not mark or not path.strip():
            raise ConfigError("--set", setting, "write it as section.knob=value")
        if path.strip() == "recipe":
            way_out = f"it only says what a config was made from; to train another, --recipe {text.strip()}"
            raise ConfigError("recipe", text.strip(), way_out)
        if allowed is not None and not any(f"{path.strip()}.".startswith(f"{one}.") for one in allowed):
            raise ConfigError(path.strip(), text.strip(), f"it cannot be set here; choose from {', '.join(allowed)}")
        _set(config, changes, [name.strip() for name in path.split(".")], text.strip())
    return changed(config, changes)


def read_config_file(path: str | Path) -> dict[str, Any]:
    """What a YAML (or JSON) file says, as ``config_from_dict`` takes it.

    Raises:
        InputError: the file is missing or no YAML, or it is no mapping of sections.
    """
    try:
        data = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"config file {path}: it cannot be read ({reason}); name a YAML file") from error
    except yaml.YAMLError as error:
        raise InputError(f"config file {path}: it is no YAML ({_reason(error)})") from error
    if data is not None and not isinstance(data, Mapping):
        raise InputError(
            f"config file {path}: it must hold sections and knobs, as `memrl config show smoke` prints them"
        )
    return dict(data or {})


def as_yaml(config: TrainConfig) -> str:
    """Every knob, in the order of the page; ``read_config_file`` reads it back unchanged."""
    return yaml.dump(config_to_dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _set(config: TrainConfig, changes: dict[str, Any], path: list[str], text: str) -> None:
    """Enter one knob into the nested ``changes``."""
    section, here = config, changes
    for depth, name in enumerate(path):
        kinds, knob = knob_types(type(section)), ".".join(path[: depth + 1])
        if name not in kinds:
            way_out = f"there is no such knob; choose from {', '.join(kinds)}{nearest(name, list(kinds))}"
            raise ConfigError(".".join(path), text, way_out)
        value, below = getattr(section, name), path[depth + 1 :]
        if not below:
            here[name] = _value(knob, text, kinds[name])
            return
        if isinstance(value, Mapping):
            start = {} if _of_another_part(section, here, name) else value
            here[name] = _put(here.get(name, start), below, _parsed(".".join(path), text))
            return
        if not is_dataclass(value):
            raise ConfigError(".".join(path), text, f"{knob} is one value; set it as {knob}={text}")
        section, here = value, here.setdefault(name, {})  # pyright: ignore[reportAssignmentType]


def _of_another_part(section: Any, here: Mapping[str, Any], knob: str) -> bool:
    """Whether ``knob`` holds the options of a part whose place another one takes."""
    owner = "name" if knob == "options" else knob.removesuffix("_options")
    return owner in here and here[owner] != getattr(section, owner)


def _put(mapping: Any, path: list[str], value: Any) -> dict[str, Any]:
    """The mapping with one name, however deep, changed."""
    out = dict(mapping) if isinstance(mapping, Mapping) else {}
    out[path[0]] = _put(out.get(path[0]), path[1:], value) if path[1:] else value
    return out


def _value(knob: str, text: str, kind: Any) -> Any:
    parsed = _parsed(knob, text)
    kinds = get_args(kind) if NoneType in get_args(kind) else (kind,)
    if str in kinds and not isinstance(parsed, str | Mapping | list) and not (parsed is None and NoneType in kinds):
        return text
    if get_origin(kind) is tuple and isinstance(parsed, str):
        return [name.strip() for name in parsed.split(",") if name.strip()]
    return parsed


def _parsed(knob: str, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(knob, text, f"it is no YAML ({_reason(error)})") from error


def _reason(error: yaml.YAMLError) -> str:
    """What is wrong, and in which line of a file."""
    mark = getattr(error, "problem_mark", None)
    place = f", line {mark.line + 1}" if mark is not None and mark.line else ""
    return f"{getattr(error, 'problem', None) or error}{place}"
