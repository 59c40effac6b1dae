"""``memrl chat``: a person's manners, commands, and nothing lost whatever ends it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

from wrapped import Reader, agent_of

from memrl.cli.chat import lines_typed, talk
from memrl.cli.main import app
from memrl.contracts.errors import InputError


def said(agent, typed: str | bytes, monkeypatch: pytest.MonkeyPatch, capsys, keep: bool = False) -> list[str]:
    raw = typed if isinstance(typed, bytes) else typed.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8"))
    talk(agent, lines_typed(), keep)
    return capsys.readouterr().out.splitlines()


def test_a_line_is_remembered_and_a_question_answered(monkeypatch, capsys):
    agent = agent_of(Reader(lambda request: f"I see {len(request.view)}."))
    out = said(
        agent,
        "My name is Ana.\n\nMy name is Ana.\nWho am I?\n我住在哪里？\n/ask what is my name\n/why\n/quit\nnever read\n",
        monkeypatch,
        capsys,
    )
    assert out[:5] == ["remembered", "already known", "I see 1.", "I see 1.", "I see 1."]
    assert out[5] == "    a1: My name is Ana.  (2026-11-27 12:00 UTC, user)" and len(out) == 6
    assert [one.text for one in agent.all()] == ["My name is Ana."]


def test_what_was_forgotten_is_said_and_what_stays(monkeypatch, capsys):
    agent = agent_of()
    out = said(
        agent, "My phone number is 555.\nBen likes tea.\n/forget my phone number\n/forget a purple elephant\n/memory\n",
        monkeypatch, capsys,
    )  # fmt: skip
    assert out[2] == "forgotten: My phone number is 555." and "nothing matches" in out
    assert "555" not in out[-1] and "Ben likes tea." in out[-1]


def test_what_has_no_room_is_said(monkeypatch, capsys):
    out = said(agent_of(archive_tokens=4), "one two three four five\n/why\n/dance\n", monkeypatch, capsys)
    assert out[0].startswith("too long") and out[1] == "nothing was answered yet"
    assert "/forget" in out[2] and "/why" in out[2]


def test_bytes_that_are_no_text_and_lines_that_fail_do_not_end_it(monkeypatch, capsys, tmp_path):
    def fails(request):
        raise InputError("the model is away")

    agent = agent_of(Reader(fails), memory=tmp_path / "notes.db")
    out = said(
        agent, b"caf\xe9 is nice\nWho?\n/save /nowhere/x.db\n/save\nStill here.\n", monkeypatch, capsys, keep=True
    )
    assert out[:2] == ["remembered", "not done: the model is away"]
    assert out[2].startswith("not done: save(path) = '/nowhere/x.db'")
    assert out[3] == f"memory saved to {tmp_path / 'notes.db'}" and out[4] == "remembered"
    assert [one.text for one in agent_of(memory=tmp_path / "notes.db").all()] == ["caf\ufffd is nice", "Still here."]


def test_the_command_checks_the_path_first_and_saves_as_it_goes(tmp_path: Path):
    runner = CliRunner()
    refused = runner.invoke(app, ["chat", "a model that is never loaded", "--memory", str(tmp_path / "no" / "f")])
    assert isinstance(refused.exception, InputError) and "there is no folder" in str(refused.exception)
    path = tmp_path / "notes.db"
    told = runner.invoke(app, ["chat", "tiny", "--memory", str(path)], input="My name is Ana.\n")
    assert told.exit_code == 0 and "remembered" in told.output
    assert [one.text for one in agent_of(memory=path).all()] == ["My name is Ana."]
