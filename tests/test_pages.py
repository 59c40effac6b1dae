"""What the pages parts, trajectories and data of docs/ show is written to files and run, in the order of the page."""

from __future__ import annotations

import json
import os
import re
from dataclasses import fields
from pathlib import Path

import forked

from memrl.contracts.registry import KINDS, KNOBS
from memrl.envs.documents.catalogue import KNOWN
from memrl.envs.documents.options import DocumentsOptions

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "parts.md").read_text(encoding="utf-8")
TRAJECTORIES = (ROOT / "docs" / "trajectories.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
RUN = """
import json, pathlib, re, shlex, sys
from memrl.cli.main import main
for kind, text in json.load(sys.stdin):
    name = re.match(r"# (\\w+\\.\\w+)\\n", text)
    if name:
        pathlib.Path(name[1]).write_text(text)
    elif kind == "python":
        exec(text, {"__name__": "__main__"})
    elif kind == "sh":
        for line in text.splitlines():
            sys.argv = shlex.split(line)
            assert sys.argv[0] == "memrl", line
            try:
                main()
            except SystemExit as ended:
                assert not ended.code, line
"""
"""One interpreter for the whole page: torch is loaded once."""


def run(page: str, folder: Path, python: int, sh: int) -> str:
    """Run a page that has so many blocks; returns what it printed."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, flags=re.S | re.M)
    kinds = [kind for kind, _ in blocks]
    assert (kinds.count("python"), kinds.count("sh")) == (python, sh)
    env = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}
    done = forked.run(code=RUN, text=json.dumps(blocks), env=env, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_block_of_the_page_on_parts_does_what_it_says(tmp_path: Path):
    printed = run(PAGE, tmp_path, python=7, sh=3)
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"game", "median", "looks"}
    assert "my_controller:FirstCome" in printed


def test_trajectories_go_out_and_teach_another_trainer(tmp_path: Path):
    printed = run(TRAJECTORIES, tmp_path, python=2, sh=2)
    assert "episodes.jsonl: 8 episodes, 96 steps" in printed
    assert (tmp_path / "better" / "model.safetensors").exists()


def test_a_stream_file_is_written_checked_and_trained_on(tmp_path: Path):
    printed = run(DATA, tmp_path, python=1, sh=1)
    assert "streams.jsonl: 2 streams, 6 units, 6 questions, no faults" in printed
    assert (tmp_path / "runs" / "streams" / "report.md").exists()


def test_the_page_on_data_names_every_knob_and_every_set_with_an_official_form():
    rows = [line.split("|")[1] for line in DATA.splitlines() if line.startswith("| `")]
    named = {word.strip(" `") for row in rows for word in row.split(",")}
    knobs = {knob.name for knob in fields(DocumentsOptions)}
    assert named == knobs | {name for name, known in KNOWN.items() if known.load is not None}


def test_the_table_names_every_kind_with_its_knob_and_its_group():
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in PAGE.splitlines() if line.startswith("| `")]
    listed = {kind: (knobs.split(", ")[0].strip("`"), group) for kind, knobs, group in rows}
    assert listed == {kind: (knob, KINDS[kind].group) for knob, kind in (*KNOBS.items(), ("logging.sinks", "sink"))}
