"""What README.md shows runs, and the tables of all pages say what the result files say."""

import re
from pathlib import Path

import forked
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


FIRST, SECOND = re.findall(r"```python\n(.*?)```", README, flags=re.S)


def test_the_first_example_runs_with_the_tiny_model(tmp_path):
    out = shown(FIRST.replace('"smollm2-135m"', '"tiny"'), tmp_path)
    assert out.splitlines()[-2:] == [
        "['Ana put the lantern in the attic.', 'The spare key is under the blue flowerpot.']",
        "The spare key is under the blue flowerpot.",
    ]


@pytest.mark.slow
def test_the_first_example_answers_right_as_it_is_typed(tmp_path):
    assert "flowerpot" in shown(FIRST, tmp_path).splitlines()[0]


def shown(code: str, tmp_path: Path) -> str:
    done = forked.run(code=code, env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_example_runs(tmp_path):
    assert "scorer" in shown(SECOND, tmp_path)


def test_the_first_two_commands_are_make_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^make (\w+)", README, flags=re.M)
    assert commands[:2] == ["run", "test"]
    assert all(re.search(rf"^{name}:", makefile, flags=re.M) for name in commands)


def test_the_tables_are_those_of_the_result_files():
    done = forked.run(ROOT / "benchmarks" / "readme_tables.py", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_paired_difference_is_taken_task_by_task(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from paired_table import differences
    from task_statistics import interval, task_means

    a_ST, b_ST = [[1.0, 0.5, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0]], [[0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.5, None]]
    gaps_ST = differences(a_ST, b_ST)
    # The last task failed for somebody, so it counts for nobody.
    assert gaps_ST.tolist() == [[0.5, 0.0, 0.0], [0.5, 0.5, -0.5]]
    # By task 0.5, 0.25, -0.25: their variance is (1/9 + 1/144 + 25/144) / 2 = 7/48; t of two degrees is 4.3027.
    assert interval(gaps_ST.mean(axis=0)) == pytest.approx(4.3027 * (7 / 48 / 3) ** 0.5, rel=1e-4)
    assert task_means(b_ST).tolist() == [0.5, 0.5, 0.75]


def test_every_table_has_a_place_on_some_page_and_at_most_one_on_each(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from readme_tables import places, sections

    by_page = [places(page.read_text(encoding="utf-8")) for page in PAGES]
    assert {name for page in by_page for name in page} == set(sections())
    assert all(len(page) == len(set(page)) for page in by_page)


def test_a_table_that_nothing_makes_is_an_error_and_one_without_results_says_so(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from readme_tables import filled

    page = "Before.\n<!-- results: speed -->\nold\n<!-- end -->\nAfter.\n"
    assert filled(page, {"speed": lambda folder: "new"}, ROOT) == page.replace("old", "new")
    assert "No results of `speed` are checked in yet." in filled(page, {"speed": lambda folder: None}, ROOT)
    with pytest.raises(KeyError, match="speed"):
        filled(page, {}, ROOT)
    with pytest.raises(ValueError, match=r"of lost: a marker .* has lost its partner"):
        filled("<!-- results: lost -->\n" + page, {"speed": lambda folder: "new"}, ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_exists(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
