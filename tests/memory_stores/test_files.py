"""One JSON file: what it is written over, and what is left beside it."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory_stores.files import read_json, write_json


def test_the_mode_of_a_file_is_kept_and_a_new_one_follows_the_mask(tmp_path):
    path = tmp_path / "notes.json"
    mask = os.umask(0o027)
    try:
        write_json(path, {"n": 1})
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640
    for mode in (0o664, 0o600, 0o444):
        path.chmod(mode)
        write_json(path, {"n": mode})
        assert path.stat().st_mode & 0o777 == mode and read_json(path) == {"n": mode}
    assert [file.name for file in tmp_path.iterdir()] == ["notes.json"]


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "real.json", tmp_path / "link.json"
    link.symlink_to(target)
    for n in (1, 2):  # a link to nothing yet, then to a file
        write_json(link, {"n": n})
        assert link.is_symlink() and read_json(target) == read_json(link) == {"n": n}
    assert [file.name for file in (tmp_path / "far").iterdir()] == ["real.json"]


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "a folder"), (tmp_path / "pipe", "a device"), (Path("/dev/null"), "a device")):
        with pytest.raises(ValueError, match=f"is {kind}"):
            write_json(path, {})
        with pytest.raises(ValueError, match=f"is {kind}"):
            read_json(path)
    assert not Path("/dev/null").is_file() and [file.name for file in tmp_path.iterdir()] == ["pipe"]


def test_what_a_killed_writer_left_goes_at_the_next_write(tmp_path):
    path = tmp_path / "notes.json"
    write_json(path, {"n": 1})
    code = (
        "import sys, time, json; from pathlib import Path; import memory_stores.files as files\n"
        "def dump(data, file): file.write('[' * 5000); file.flush(); print('half', flush=True); time.sleep(60)\n"
        "files.json.dump = dump; files.write_json(Path(sys.argv[1]), {})"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "half\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(list(tmp_path.iterdir())) == 2 and read_json(path) == {"n": 1}
    write_json(path, {"n": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["notes.json"] and read_json(path) == {"n": 2}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "notes.json"
    write_json(path, {"n": 1})
    with pytest.raises(TypeError):
        write_json(path, {"n": object()})
    assert [file.name for file in tmp_path.iterdir()] == ["notes.json"] and read_json(path) == {"n": 1}


def _write_often(path, name, times):
    for n in range(times):
        write_json(path, {"by": name, "n": n, "filling": "x" * 5000})
        time.sleep(0)


def test_several_who_write_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "notes.json"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_often, args=(path, name, 40)) for name in "abc"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            assert len(read_json(path)["filling"]) == 5000
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert json.loads(path.read_text())["n"] == 39
    assert [file.name for file in tmp_path.iterdir()] == ["notes.json"]
