"""Games in the cache: a damaged one is made anew, for the interpreter would end the process that is given it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("textworld")

from memrl.contracts.errors import ConfigError, DataError
from memrl.envs.textworld.env import TextWorldTasks
from memrl.envs.textworld.library import ABOUT, PLAYED, SUMS, Library, metadata
from memrl.envs.textworld.theta import GameTheta, TextWorldOptions, spec

SPEC = spec(GameTheta(kind="coin", length=1), 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one game."""
    folder = tmp_path_factory.mktemp("games")
    Library(folder, 300.0).game(SPEC)
    return folder


@pytest.fixture
def cached(made: Path, tmp_path: Path) -> Path:
    """The folder of that game in a cache of one's own."""
    shutil.copytree(made, tmp_path / "cache")
    [folder] = (tmp_path / "cache").iterdir()
    return folder


def again(folder: Path) -> Path:
    """What another process finds."""
    return Library(folder.parent, 300.0).game(SPEC)


def test_a_sound_game_is_taken_as_it_stands(cached: Path) -> None:
    before = (cached / PLAYED).stat().st_mtime_ns
    assert again(cached) == cached / PLAYED
    assert (cached / PLAYED).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "damaged", [PLAYED, pytest.param(ABOUT, marks=pytest.mark.slow), pytest.param(SUMS, marks=pytest.mark.slow)]
)
def test_a_damaged_one_is_made_anew(cached: Path, damaged: str) -> None:
    was = {name: (cached / name).read_bytes() for name in (PLAYED, ABOUT)}
    (cached / damaged).write_bytes((cached / damaged).read_bytes()[:30])
    again(cached)
    assert json.loads((cached / SUMS).read_text()).keys() == was.keys()
    assert (cached / PLAYED).read_bytes() == was[PLAYED] and metadata(cached / PLAYED)["walkthrough"]


def test_one_from_before_there_were_sums_is_kept_where_it_starts(cached: Path) -> None:
    (cached / SUMS).unlink()
    before = (cached / PLAYED).stat().st_mtime_ns
    again(cached)
    assert (cached / PLAYED).stat().st_mtime_ns == before and (cached / SUMS).exists()


@pytest.mark.slow
def test_and_made_anew_where_it_does_not(cached: Path) -> None:
    (cached / SUMS).unlink()
    (cached / PLAYED).write_bytes((cached / PLAYED).read_bytes()[:5000])
    assert again(cached).stat().st_size > 5000


def test_a_place_that_keeps_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    source = TextWorldTasks(TextWorldOptions(kind="coin", length=1, cache=str(tmp_path / "file" / "games")))
    with pytest.raises(ConfigError, match=r"env.options.cache = .*games.*no game can be kept there .*another folder"):
        source.make(source.train("base", 0))


@pytest.mark.parametrize("text", ['{"a":', "[1]", "\udcff"])
def test_a_given_json_that_is_no_games_is_named(cached: Path, tmp_path: Path, text: str) -> None:
    given = tmp_path / "given"
    shutil.copytree(cached, given)
    (given / ABOUT).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(DataError, match=r"game.json: it is no game's JSON of TextWorld .*copy it anew"):
        metadata(given / PLAYED)
    with pytest.raises(ConfigError, match=r"env.options.files = .*game.z8.*(does not load|no game's JSON)"):
        TextWorldTasks(TextWorldOptions(files=str(given / PLAYED)))
