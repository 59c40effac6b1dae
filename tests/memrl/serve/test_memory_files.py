"""Anthropic's memory tool: what each command answers, and that nothing outside /memories can be named."""

import threading

import pytest

from memory_stores.durable import MemoryFile
from memrl.serve.mcp_server import count_tokens
from memrl.serve.memory_files import MemoryFiles


@pytest.fixture
def space(tmp_path):
    with MemoryFile(tmp_path / "notes.db", count_tokens=count_tokens) as file:
        yield file.space("claude", archive=10_000)


@pytest.fixture
def run(space):
    files = MemoryFiles(space)

    def run(command, **arguments):
        return files.run({"command": command, **arguments})

    return run


def content(run, path):
    """Lines of a file, as view shows them."""
    first, *lines = run("view", path=path).split("\n")
    assert first == f"Here's the content of {path} with line numbers:"
    return [line.split("\t", 1)[1] for line in lines]


def test_a_file_is_created_viewed_and_listed(run):
    assert run("view", path="/memories").splitlines()[1:] == ["0\t/memories"]
    assert run("create", path="/memories/a.txt", file_text="one\ntwo\n") == (
        "File created successfully at: /memories/a.txt"
    )
    run("create", path="/memories/in/b.md", file_text="x" * 2048)
    run("create", path="/memories/in/deep/c.md", file_text="abc")
    run("create", path="/memories/.hidden", file_text="abc")
    assert run("view", path="/memories/a.txt") == (
        "Here's the content of /memories/a.txt with line numbers:\n     1\tone\n     2\ttwo\n     3\t"
    )
    assert run("view", path="/memories/a.txt", view_range=[2, 2]).endswith(":\n     2\ttwo")
    assert run("view", path="/memories/a.txt", view_range=[2, -1]).endswith(":\n     2\ttwo\n     3\t")
    assert run("view", path="/memories/") == (
        "Here're the files and directories up to 2 levels deep in /memories, excluding hidden items and node_modules:\n"
        "2.0K\t/memories\n8\t/memories/a.txt\n2.0K\t/memories/in\n2.0K\t/memories/in/b.md\n3\t/memories/in/deep"
    )
    assert "already exists" in run("create", path="/memories/a.txt", file_text="new")
    assert content(run, "/memories/a.txt") == ["one", "two", ""]


def test_text_is_replaced_where_it_stands_once(run):
    run("create", path="/memories/a", file_text="red key\nblue key\ngreen hat")
    assert run("str_replace", path="/memories/a", old_str="green hat", new_str="green\ncap").startswith(
        "The memory file has been edited."
    )
    assert content(run, "/memories/a") == ["red key", "blue key", "green", "cap"]
    twice = run("str_replace", path="/memories/a", old_str="key", new_str="x")
    assert twice.startswith("Error: No replacement was performed. Multiple occurrences of old_str `key` in lines: 1, 2")
    for old in ("pen", "", "KEY"):
        none = run("str_replace", path="/memories/a", old_str=old, new_str="x")
        assert f"old_str `{old}` did not appear verbatim in /memories/a" in none
    assert content(run, "/memories/a") == ["red key", "blue key", "green", "cap"]
    run("create", path="/memories/aa", file_text="aaa")  # "aa" stands in it twice, one over the other
    assert "Multiple" in run("str_replace", path="/memories/aa", old_str="aa", new_str="b")


def test_lines_are_inserted_after_a_line(run):
    run("create", path="/memories/a", file_text="one\nthree")
    assert (
        run("insert", path="/memories/a", insert_line=1, insert_text="two") == "The file /memories/a has been edited."
    )
    run("insert", path="/memories/a", insert_line=0, insert_text="zero\n")
    run("insert", path="/memories/a", insert_line=4, insert_text="four")
    assert content(run, "/memories/a") == ["zero", "one", "two", "three", "four"]
    wrong = run("insert", path="/memories/a", insert_line=9, insert_text="x")
    assert wrong.startswith("Error: Invalid `insert_line` parameter: 9.") and wrong.endswith("[0, 5]")


def test_files_and_directories_are_renamed_and_deleted(run):
    for name in ("a", "dir/b", "dir/sub/c"):
        run("create", path=f"/memories/{name}", file_text=f"text of {name}")
    assert run("rename", old_path="/memories/dir", new_path="/memories/to") == (
        "Successfully renamed /memories/dir to /memories/to"
    )
    assert content(run, "/memories/to/sub/c") == ["text of dir/sub/c"]
    assert "already exists" in run("rename", old_path="/memories/a", new_path="/memories/to")
    assert "already exists" in run("rename", old_path="/memories/a", new_path="/memories/to/b")
    assert "is inside" in run("rename", old_path="/memories/to", new_path="/memories/to/sub/x")
    assert "is a file" in run("create", path="/memories/a/x", file_text="y")
    assert "does not exist" in run("rename", old_path="/memories/dir", new_path="/memories/x")
    assert run("delete", path="/memories/to") == "Successfully deleted /memories/to"
    assert run("view", path="/memories").splitlines()[1:] == ["9\t/memories", "9\t/memories/a"]
    for path in ("/memories/to", "/memories/to/b"):
        assert run("delete", path=path) == f"Error: The path {path} does not exist"
    assert "cannot be deleted" in run("delete", path="/memories")


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t"])
def test_a_file_may_be_blank(run, text):
    run("create", path="/memories/a", file_text=text)
    assert content(run, "/memories/a") == text.split("\n")
    run("insert", path="/memories/a", insert_line=0, insert_text="word")
    assert content(run, "/memories/a")[0] == "word"
    run("str_replace", path="/memories/a", old_str="word", new_str="")
    assert content(run, "/memories/a") in ([text] if "\n" not in text else [], ["", *text.split("\n")])


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "/memories/../etc/passwd", "../memories/a", "/memories/..", "/memories/./a", "memories/a", "a",
        "", "/", "/memoriesx/a", "//memories/a", "/memories//a", "/memories/%2e%2e/etc", "/memories/%252e%252e/etc",
        "/memories/..%2fetc", "/memories\\..\\etc", "/memories/\\..", "/memories/a\x00", "/memories/a\nb",
        "/memories/.. /x", "/memories/\u202e", "file:///memories/a", "~/memories/a", "/memories/" + "x" * 2000,
        "/memories/%ff",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("view", {}), ("create", {"file_text": "x"}), ("str_replace", {"old_str": "a", "new_str": "b"}),
        ("insert", {"insert_line": 0, "insert_text": "x"}), ("delete", {}), ("rename", {"new_path": "/memories/ok"}),
    ],
)  # fmt: skip
def test_no_path_leads_outside(run, space, path, command, arguments):
    told = run(command, **{"old_path" if command == "rename" else "path": path}, **arguments)
    assert told.startswith("Error: Path ") and "is not inside /memories" in told and "\n" not in told
    run("create", path="/memories/ok", file_text="x")
    if command == "rename":
        assert "is not inside" in run("rename", old_path="/memories/ok", new_path=path)
    assert len(space) == 1


@pytest.mark.parametrize(
    "command",
    [
        {}, {"command": "format"}, {"command": None}, {"command": "view"}, {"command": "view", "path": 5},
        {"command": "create", "path": "/memories/a"}, {"command": "insert", "path": "/memories/a", "insert_line": "1"},
        {"command": "view", "path": "/memories/ok", "view_range": [3, 1]},
        {"command": "view", "path": "/memories/ok", "view_range": [1, 99]},
        {"command": "view", "path": "/memories/ok", "view_range": "1"},
        {"command": "create", "path": "/memories/half", "file_text": "\ud800"},
        {"command": "create", "path": "/memories/large", "file_text": "x" * 40_000},
    ],
)  # fmt: skip
def test_a_command_that_cannot_be_carried_out_is_told_and_changes_nothing(space, command):
    files = MemoryFiles(space)
    files.run({"command": "create", "path": "/memories/ok", "file_text": "x"})
    before = space.state_hash()
    assert files.run(command).startswith("Error: ")
    assert space.state_hash() == before


def test_files_are_there_after_a_restart_and_found_by_search(tmp_path):
    path = tmp_path / "notes.db"
    with MemoryFile(path, count_tokens=count_tokens) as file:
        MemoryFiles(file.space("claude")).run({"command": "create", "path": "/memories/a", "file_text": "The red key."})
    with MemoryFile(path, count_tokens=count_tokens) as file:
        space = file.space("claude")
        assert [hit.name for hit in space.search("red key")] == ["/memories/a"]
        assert "The red key." in MemoryFiles(space).run({"command": "view", "path": "/memories/a"})


def test_edits_at_once_are_all_kept(space):
    files = MemoryFiles(space)
    files.run({"command": "create", "path": "/memories/a", "file_text": "start"})

    def edit(n):
        for i in range(5):
            files.run({"command": "insert", "path": "/memories/a", "insert_line": 0, "insert_text": f"line {n} {i}\n"})

    threads = [threading.Thread(target=edit, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = files.run({"command": "view", "path": "/memories/a"})
    assert all(f"line {n} {i}" in told for n in range(4) for i in range(5))


def test_lines_are_counted_alike_by_view_and_insert(run):
    run("create", path="/memories/a.txt", file_text="first a\u2028first b\nsecond\x0cstill second\nthird")
    run("insert", path="/memories/a.txt", insert_line=1, insert_text="between\n")
    assert content(run, "/memories/a.txt") == ["first a\u2028first b", "between", "second\x0cstill second", "third"]
    assert "[0, 4]" in run("insert", path="/memories/a.txt", insert_line=5, insert_text="x")
    run("create", path="/memories/b.txt", file_text="one\ntwo\n")
    run("insert", path="/memories/b.txt", insert_line=0, insert_text="zero")
    run("insert", path="/memories/b.txt", insert_line=3, insert_text="three\n")
    assert content(run, "/memories/b.txt") == ["zero", "one", "two", "three", ""]
