"""Game files: generated when they are first asked for and kept by what they were generated from, or given by somebody.

A game stands in the cache as a folder with ``game.z8``, ``game.json`` and their checksums, made elsewhere and renamed,
so that processes which generate the same game at once do not see half of one. A damaged game ends the process that
plays it: one whose sums are others is made anew.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memrl.contracts.errors import ConfigError, DataError
from memrl.envs.textworld.worker import WORKER

FILES, CACHE = "env.options.files", "env.options.cache"
PLAYED, ABOUT, SUMS = "game.z8", "game.json", "sums.json"
HELD_OUT = 4
"""Of given files, one in so many is held out."""


def default_cache() -> Path:
    """``MEMRL_HOME`` or ``~/.cache/memrl``, and in it a folder for games."""
    return Path(os.environ.get("MEMRL_HOME", Path.home() / ".cache" / "memrl")) / "textworld"


class Library:
    """Where games are found.

    Args:
        folder: of the cache.
        seconds: longest time that generating one may take.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._sound: set[Path] = set()

    def game(self, spec: dict[str, Any]) -> Path:
        """The ``.z8`` file of a game, generated where it is not there yet, or damaged.

        Raises:
            DataError: TextWorld cannot generate it, or takes longer than it may.
            ConfigError: nothing can be kept in the cache.
        """
        said = json.dumps({**spec, "textworld": version("textworld")}, sort_keys=True)
        target = self._folder / sha256(said.encode()).hexdigest()[:24]
        if target not in self._sound:
            try:
                if not self._found(target):
                    self._make(spec, target)
            except OSError as error:
                way_out = f"no game can be kept there ({error.strerror or error}); give another folder"
                raise ConfigError(CACHE, str(self._folder), way_out) from error
            self._sound.add(target)
        return target / PLAYED

    def _found(self, target: Path) -> bool:
        """Whether a game stands there as it was made; a damaged one is taken away. One from before there were sums is
        started once, and has them from then on."""
        if not (target / PLAYED).exists():
            return False
        try:
            if json.loads((target / SUMS).read_text(encoding="utf-8")) == sums_of(target):
                return True
        except FileNotFoundError:
            if not WORKER.fault({"check": str(target / PLAYED)}, self._seconds):
                note_sums(target)
                return True
        except ValueError:
            pass  # damaged sums are those of no game
        shutil.rmtree(target)
        return False

    def _make(self, spec: dict[str, Any], target: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as new:
            fault = WORKER.fault({**spec, "folder": new}, self._seconds)
            if fault:
                what = spec.get("compile") or ", ".join(f"{name} = {value}" for name, value in spec.items())
                raise DataError(f"TextWorld makes no game of {what}: {fault}")
            note_sums(Path(new))
            try:
                Path(new).rename(target)
                Path(new).mkdir()  # for the context manager to remove
            except OSError:
                if not (target / PLAYED).exists():
                    raise

    def given(self, files: str, commands: bool) -> tuple[Path, ...]:
        """Playable files of a game file or a folder, in order of their names.

        Args:
            commands: whether their admissible commands will be needed.

        Raises:
            ConfigError: there are none; one does not load, or does not say its admissible commands.
        """
        path = Path(files).expanduser()
        if not path.exists():
            raise ConfigError(FILES, files, "there is no such file or folder")
        found = sorted(one for one in path.rglob("*.z8") if one.is_file()) if path.is_dir() else [path]
        found += [one for one in sorted(path.rglob("*.json")) if one.with_suffix(".z8") not in found]
        if not found:
            raise ConfigError(FILES, files, "no game is in this folder (.z8 or .json)")
        return tuple(self._checked(str(one), one.stat().st_mtime_ns, commands) for one in found)

    @lru_cache(maxsize=4096)  # noqa: B019  a source and its library live as long as the run
    def _checked(self, file: str, changed: int, commands: bool) -> Path:
        path = Path(file)
        if path.suffix not in (".z8", ".json"):
            raise ConfigError(FILES, file, "a game is a .z8 or a .json file of TextWorld")
        if path.suffix == ".json":
            try:
                return self.game({"compile": file, "sha256": sha256(path.read_bytes()).hexdigest()})
            except DataError as error:
                raise ConfigError(FILES, file, f"it does not load: {error}") from error
        if commands and not path.with_suffix(".json").exists():
            way_out = "without its .json beside it nobody knows the admissible commands; set admissible to false"
            raise ConfigError(FILES, file, way_out)
        if fault := WORKER.fault({"check": str(path.absolute())}, self._seconds):
            raise ConfigError(FILES, file, f"it does not load: {fault}")
        try:
            metadata(path)
        except DataError as error:
            raise ConfigError(FILES, file, str(error)) from error
        return path


def sums_of(folder: Path) -> dict[str, str]:
    """Checksums of a game's two files. Raises OSError."""
    return {name: sha256((folder / name).read_bytes()).hexdigest() for name in (PLAYED, ABOUT)}


def note_sums(folder: Path) -> None:
    """Write them down beside the files. Raises OSError."""
    new = folder / f"{SUMS}.{os.getpid()}"
    new.write_text(json.dumps(sums_of(folder)), encoding="utf-8")
    new.replace(folder / SUMS)


@cache
def metadata(game: Path) -> dict[str, Any]:
    """What a game says about itself, read once: ``walkthrough``, ``objective``. Empty where it has no ``.json``.

    Raises:
        DataError: the ``.json`` is none of TextWorld's.
    """
    beside = game.with_suffix(".json")
    if not beside.exists():
        return {}
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
        about = told.get("metadata", {})
        return {"walkthrough": tuple(about.get("walkthrough") or ()), "objective": told.get("objective") or ""}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{beside}: it is no game's JSON of TextWorld ({error}); generate or copy it anew") from error
