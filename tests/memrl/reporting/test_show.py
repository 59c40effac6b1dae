"""What a terminal is shown of a memory."""

import pytest

from memory_stores import AgentMemory, Bm25Store, GraphStore, Link, Stamp, Write
from memrl.reporting.escaped import escaped
from memrl.reporting.show import read_memory_file, show_entries, show_memory


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 我, \u00a0 and \\ stay", "plain, naïve, 我, \u00a0 and \\ stay"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("a\u2028b\u2029c\x85", "a\\u2028b\\u2029c\\x85"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("half \ud800", "half \\ud800"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_what_would_steer_a_terminal_is_shown_escaped(text, shown):
    assert escaped(text) == shown


def test_a_text_cannot_forge_an_entry_or_reach_the_terminal(tmp_path, capsys):
    memory = AgentMemory(graph=GraphStore(99, len), archive=Bm25Store(99, len))
    forged = "Nice.\n    a2  The kettle is here  (4 tokens; step 1, user)\x1b]0;title\x07"
    memory.apply(Write(forged, "archive"), Stamp(writer="me\x1b[31m"))
    memory.apply(Link("A\x1b[0m", "is", "b"))
    memory.save(tmp_path / "notes.json")
    show_entries(memory.entries())
    show_memory(read_memory_file(tmp_path / "notes.json"))
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 5 and "\x1b" not in out and "\x07" not in out
    assert "Nice.\\n    a2  The kettle" in out and "me\\x1b[31m" in out
