"""Parts from anywhere, by kind and name: ours, those of installed packages, and those of a file beside you.

    memrl.register("env", "keydoor", KeyDoor, KeyDoorOptions)      in this process
    [project.entry-points."memrl.envs"]                            in a package's pyproject.toml
    keydoor = "keydoor:KeyDoor"
    env.name = "my_pkg.game:KeyDoor"                               in a config, in place of a name

``find`` looks in that order, and ours come before those of packages. A module of ours registers its part in its last
lines; where it may not import memrl, it lists ``PARTS``: (kind, name, make, options) each. ``make`` is called with the
context of its kind (``contracts.contexts``) and then, if the part has options, with those (``contracts.options``).
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from memrl.contracts.errors import ConfigError, InputError, MissingExtra
from memrl.contracts.imports import attribute_of, own_modules, told
from memrl.contracts.options import options_from


class Kind(NamedTuple):
    """Where parts of a kind are looked for, and what each must have."""

    group: str
    """Of entry points."""
    folder: str
    """The package whose modules are ours."""
    needs: tuple[str, ...]
    """Attributes without which nothing is a part of this kind; ``contracts`` says what each does."""


_KEPT = ("state_dict", "load_state_dict")
KINDS = {
    "env": Kind("memrl.envs", "memrl.envs", ("name", "make", "cells", "train", "held_out")),
    "policy": Kind("memrl.policies", "memrl.policies", ("sample", "version", *_KEPT)),
    "controller": Kind("memrl.controllers", "memrl.controllers", ("decide", "version", *_KEPT)),
    "offers": Kind("memrl.offers", "memrl.controllers", ("offers", "names", "columns")),
    "estimator": Kind("memrl.estimators", "memrl.advantages", ()),
    "curriculum": Kind(
        "memrl.curricula", "memrl.curricula", ("draw", "observe", "auxiliary_losses", "metrics", *_KEPT)
    ),
    "proposer": Kind("memrl.proposers", "memrl.proposers", ("propose", "auxiliary_losses", "parameters", *_KEPT)),
    "reflector": Kind("memrl.reflectors", "memrl.reflectors", ("reflect",)),
    "store": Kind("memrl.stores", "memory_stores", ("apply", "entries", "fork", "state_hash", *_KEPT)),
    "linker": Kind("memrl.linkers", "memory_stores", ("link",)),
    "embedder": Kind("memrl.embedders", "memory_stores", ("dim", "embed")),
    "row": Kind("memrl.rows", "memrl.rollouts.rows", ("play", "agent")),
    "sink": Kind("memrl.sinks", "memrl.reporting.sinks", ()),
}
KNOBS = {
    "env.name": "env", "policy.name": "policy", "controller.name": "controller", "controller.offers": "offers",
    "credit.name": "estimator",
    "curriculum.name": "curriculum", "curriculum.proposer": "proposer", "reflection.name": "reflector",
    "memory.archive": "store", "memory.linker": "linker", "memory.embedder": "embedder",
}  # fmt: skip
"""Knobs of a ``TrainConfig`` that name a part -> its kind. ``evaluation.rows`` names controllers and rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One registered part."""

    kind: str
    name: str
    make: Callable[..., Any]
    """Context, then options if it has any -> the part. An estimator is itself what stands here."""
    options: type | None
    """Frozen dataclass of what may be set; None where nothing may."""
    holder: str
    """Who registered it: a module, or a package and its version."""


_PARTS: dict[tuple[str, str], Part] = {}
_HOMES: dict[tuple[str, str], str] = {}
"""(kind, name) -> where the part of a saved run came from."""


def register(kind: str, name: str, make: Callable[..., Any], options: type | None = None) -> None:
    """Make a part known by name in this process.

    Args:
        kind: one of ``KINDS``.
        make: called with the context of its kind, then with the options if there are any; a class will do. For kind
            "estimator" it is the estimator itself: ``(episodes, scene) -> one array an episode``.
        options: frozen dataclass with a default for every field; None takes ``make.Options``, if it has that.

    Raises:
        ConfigError: there is no such kind, the name is taken by another part, or what is registered cannot be one.
    """
    _enter(kind, name, make, options, str(getattr(make, "__module__", None) or "this process"))


def find(kind: str, name: str, knob: str) -> Part:
    """The part of that name, importing as little as possible.

    Args:
        name: as registered, an entry point's, or "module:attr".
        knob: the setting that names it, for messages.

    Raises:
        ConfigError: there is none, or what should bring it cannot be imported; the message says which and the way out.
        MissingExtra: it needs a package that is not installed.
    """
    _check_kind(kind)
    if not isinstance(name, str) or not name:
        raise ConfigError(knob, name, f"name one; {_there_is(kind, '')}")
    if ":" in name:
        return _from_attribute(kind, name, knob)
    broken: list[str] = []
    if (kind, name) not in _PARTS:
        for module in own_modules(KINDS[kind].folder, name):
            _import_own(module, kind, name, knob, broken)
            if (kind, name) in _PARTS:
                break
    if (kind, name) not in _PARTS:
        _load_entry_point(kind, name, knob)
    if (kind, name) not in _PARTS:
        _load_from_home(kind, name, knob)
    if (kind, name) not in _PARTS:
        raise ConfigError(knob, name, _unknown(kind, name, broken))
    return _PARTS[kind, name]


def make_options(part: Part, values: Mapping[str, Any], knob: str) -> Any:
    """The part's own options with these values; None where it has none.

    Args:
        knob: where ``values`` stand in the config, such as "env.options".

    Raises:
        ConfigError: an option that the part does not have, a value of the wrong type, or one that the part refuses.
    """
    return options_from(part.options, values, knob, f"{part.kind} {part.name!r}")


def make(kind: str, name: str, values: Mapping[str, Any], knob: str, *context: Any) -> Any:
    """Find a part, check its options and make it.

    Args:
        knob: the setting that names it, such as "env.name"; its options stand at "env.options", those of any other
            knob ("memory.linker") beside it ("memory.linker_options").
        context: what ``make`` is given first, if its kind has a context.

    Raises:
        ConfigError: as ``find`` and ``make_options`` do; ``make`` cannot be called with what it is given; what it
            made lacks something that its kind must have.
        MissingExtra: it needs a package that is not installed.
    """
    part = find(kind, name, knob)
    options = make_options(part, values, options_knob(knob))
    given = (*context, options) if part.options is not None else context
    try:
        inspect.signature(part.make).bind(*given)
    except TypeError as error:
        called = ", ".join(type(one).__name__ for one in given)
        way_out = f"to make {part.kind} {part.name!r} it is called with ({called}), which it does not take: {error}"
        raise ConfigError(knob, name, way_out) from error
    except ValueError:
        pass  # Some built-in callables have no signature to look at: the call itself will tell.
    try:
        made = part.make(*given)
    except (MissingExtra, InputError):
        raise
    except ImportError as error:
        raise MissingExtra(f"{knob} = {name!r}: {error}") from error
    except ValueError as error:
        raise ConfigError(knob, name, f"it cannot be made with these options: {told(error)}") from error
    lacks = [needed for needed in KINDS[kind].needs if not hasattr(made, needed)]
    if lacks and (made is not None or not _is_ours(part.holder)):
        raise ConfigError(knob, name, f"{_a(kind)} has {', '.join(lacks)}, and {type(made).__name__} does not")
    return made


def options_knob(knob: str) -> str:
    """Where the options of the part stand that ``knob`` names."""
    return f"{knob.removesuffix('.name')}.options" if knob.endswith(".name") else f"{knob}_options"


def names(kind: str) -> tuple[str, ...]:
    """All names of a kind: registered here, ours, and the entry points of installed packages. Loads all of ours."""
    _check_kind(kind)
    for module in own_modules(KINDS[kind].folder, ""):
        _import_own(module, kind, "", "", [])
    known = {name for of, name in _PARTS if of == kind} | {
        point.name for point in _entry_points(KINDS[kind].group, _places())
    }
    return tuple(sorted(known))


def origin(kind: str, name: str) -> str:
    """Where a part that is not ours comes from, such as "package keydoor 0.1"; "" for ours. Imports nothing."""
    part = _PARTS.get((kind, name))
    if part is not None:
        if _is_ours(part.holder) or part.holder.startswith("package "):
            return "" if _is_ours(part.holder) else part.holder
        if ":" in name or "<" in getattr(part.make, "__qualname__", "<"):
            return f"module {part.holder}"
        options = "" if part.options is None else f" with {part.options.__module__}:{part.options.__qualname__}"
        return f"module {part.holder}:{part.make.__qualname__}{options}"
    return next((_package(point) for point in _points(kind, name)), "")


def origins(config: Any) -> list[tuple[str, str, str]]:
    """(kind, name, origin) of every part that a ``TrainConfig`` names and that is not ours; imports nothing."""
    named = [(kind, attrgetter(knob)(config)) for knob, kind in KNOBS.items()]
    named += [(kind, name) for name in config.evaluation.rows for kind in ("controller", "row")]
    named += [("sink", name) for name in config.logging.sinks]
    return [(kind, name, home) for kind, name in dict.fromkeys(named) if (home := origin(kind, name))]


def remember_origin(kind: str, name: str, home: str) -> None:
    """What a saved run says of a part's origin: told to the user where the part is not found."""
    _HOMES[kind, name] = home


def _enter(kind: str, name: str, make: Any, options: type | None, holder: str) -> None:
    _check_kind(kind)
    if not isinstance(name, str) or not name or ":" in name:
        raise ConfigError(f"register({kind!r}, name)", name, "it must be a text without a colon")
    if not callable(make):
        raise ConfigError(f"register({kind!r}, {name!r}, make)", make, "it cannot be called")
    part = Part(kind=kind, name=name, make=make, options=_options_of(make, options, kind, name), holder=holder)
    held = _PARTS.get((kind, name))
    if held is not None and not _same(held.make, make):
        way_out = f"that name of {_a(kind)} is held by {_described(held)}; choose another for {_described(part)}"
        raise ConfigError("register", name, way_out)
    _PARTS[kind, name] = part


def _options_of(make: Any, options: Any, kind: str, name: str) -> type | None:
    """The options class, from ``make.Options`` where none is given. Raises ConfigError unless it can be one."""
    options = options if options is not None else getattr(make, "Options", None)
    params = getattr(options, "__dataclass_params__", None)
    if options is not None and not (isinstance(options, type) and params is not None and params.frozen):
        raise ConfigError(f"options of {kind} {name!r}", options, "it must be a frozen dataclass")
    return options


def _same(one: Any, other: Any) -> bool:
    """One object, or one definition that was carried out twice (a notebook's cell, a reloaded module)."""
    if one is other:
        return True
    places = [(getattr(m, "__module__", None), getattr(m, "__qualname__", "<")) for m in (one, other)]
    return places[0] == places[1] and "<" not in places[0][1]


def _described(part: Part) -> str:
    where = f"{getattr(part.make, '__module__', '?')}.{getattr(part.make, '__qualname__', '?')}"
    return where if part.holder == getattr(part.make, "__module__", None) else f"{where} ({part.holder})"


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise ConfigError("kind", kind, f"there is no such kind of part; it is none of {', '.join(KINDS)}")


def _import_own(module: str, kind: str, name: str, knob: str, broken: list[str]) -> None:
    """Import one of ours. What fails matters only if it bears the name; else it is noted in ``broken``."""
    try:
        _take_listed(import_module(module))
    except ImportError as error:
        if name and module == f"{KINDS[kind].folder}.{name}":
            if isinstance(error, MissingExtra):
                raise
            raise ConfigError(knob, name, f"{module} cannot be imported here: {told(error)}") from error
        broken.append(f"{module} ({told(error)})")


def _take_listed(module: ModuleType) -> None:
    """Register what a module lists as ``PARTS``."""
    for kind, name, make, options in getattr(module, "PARTS", ()):
        _enter(kind, name, make, options, module.__name__)


def _points(kind: str, name: str) -> list[EntryPoint]:
    """Entry points of that name, one a target."""
    found = _entry_points(KINDS[kind].group, _places()).select(name=name)
    return list({point.value: point for point in found}.values())


def _places() -> tuple[tuple[Path, int], ...]:
    """Folders where packages are looked for, and when each last changed: what is installed meanwhile is found."""
    folders = [Path(path) for path in sys.path]
    return tuple((path, path.stat().st_mtime_ns if path.exists() else 0) for path in folders)


@lru_cache(maxsize=64)
def _entry_points(group: str, places: tuple[tuple[Path, int], ...]) -> EntryPoints:
    """Of all packages. Reading them takes 10 ms, and a run asks some thirty times."""
    return entry_points(group=group)


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name} {point.dist.version}" if point.dist is not None else "a package"


def _load_entry_point(kind: str, name: str, knob: str) -> None:
    points = _points(kind, name)
    if len(points) > 1:
        both = " and ".join(f"{_package(point)} ({point.value})" for point in points)
        raise ConfigError(
            knob, name, f"{both} offer {_a(kind)} of that name; write the one that you mean as 'module:attr'"
        )
    for point in points:
        try:
            made = point.load()
            if isinstance(made, ModuleType):
                _take_listed(made)
            elif not _holds(kind, name, made):
                _enter(kind, name, made, None, _package(point))
        except Exception as error:
            offers = f"{_package(point)} offers it as {point.value!r}, which cannot be loaded: {told(error)}"
            raise ConfigError(knob, name, offers) from error
        if (kind, name) not in _PARTS:
            offers = (
                f"{_package(point)} offers it as the module {point.value!r}, which registers no {kind} of that name"
            )
            raise ConfigError(knob, name, offers)


def _load_from_home(kind: str, name: str, knob: str) -> None:
    """A part that a saved run had from a module by ``register``: the module may be here, and have it still."""
    home, _, options = _HOMES.get((kind, name), "").removeprefix("module ").partition(" with ")
    if ":" not in home:
        return
    try:
        made = attribute_of(home, knob)
        known = attribute_of(options, knob) if options else None
    except ConfigError as error:
        way_out = f"the run had this {kind} from {home}: {error.way_out}; or register it before the run is opened"
        raise ConfigError(knob, name, way_out) from error
    if callable(made) and (kind, name) not in _PARTS:
        _enter(kind, name, made, known, home.partition(":")[0])


def _is_ours(holder: str) -> bool:
    return holder.partition(".")[0] in ("memrl", "memory_stores")


def _holds(kind: str, name: str, made: Any) -> bool:
    """Whether importing an entry point's module has registered that very object."""
    held = _PARTS.get((kind, name))
    return held is not None and held.make is made


def _from_attribute(kind: str, name: str, knob: str) -> Part:
    made = attribute_of(name, knob)
    for part in _PARTS.values():
        if part.kind == kind and part.make is made:
            return part
    if not callable(made):
        raise ConfigError(knob, name, f"it is {made!r}, which cannot be called to make {_a(kind)}")
    options = _options_of(made, None, kind, name)
    return Part(kind=kind, name=name, make=made, options=options, holder=f"module {name.partition(':')[0]}")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _unknown(kind: str, name: str, broken: list[str]) -> str:
    home = _HOMES.get((kind, name))
    lost = f"this {kind} came from {home}, which is not here; install it, or " if home else ""
    failed = f"; not looked into: {', '.join(broken)}" if broken else ""
    return f"{lost}{_there_is(kind, name)}{failed}"


def _there_is(kind: str, name: str) -> str:
    """What there is, near matches first, and how to bring another."""
    known = names(kind)
    near = difflib.get_close_matches(name, known, n=3)
    listed = ", ".join([*near, *(other for other in known if other not in near)]) or "none yet"
    return (
        f"choose from {listed}; bring your own as 'module:attr', by an entry point in group {KINDS[kind].group}, "
        f"or with memrl.register({kind!r}, name, make)"
    )
