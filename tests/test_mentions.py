"""`@FILE` in a typed message: which files it names, and what stays text."""

import pytest

from agentrun.cli.talk.mentions import mentioned


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.py", "b.py", "report (1).pdf", "x@2.png", "end.", "decorator", "src/c.py", "-"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "b.link").symlink_to("b.py")
    (tmp_path / "gone.link").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("see @a.py.", ["a.py"]),
        ("(@a.py)", ["a.py"]),
        ("(see @a.py, or <@b.py>)!", ["a.py", "b.py"]),
        ("@a.py,@b.py", ["a.py", "b.py"]),
        ("@a.py;@b.py, and @a.py", ["a.py", "b.py"]),
        ("'@a.py' \"@b.py\"", ["a.py", "b.py"]),
        ("@src/c.py: what is it?", ["src/c.py"]),
        ("@~/a.py and @./b.py", ["~/a.py", "./b.py"]),
        ('@"report (1).pdf",@a.py', ["report (1).pdf", "a.py"]),
        ("@x@2.png", ["x@2.png"]),
        ("@end.", ["end."]),
        ("@end..", ["end."]),
        ("first\n@a.py\nlast", ["a.py"]),
        ("@b.link", ["b.link"]),
        ("@a.py。 @b.py、", ["a.py", "b.py"]),
        ("@decorator", ["decorator"]),
        ("@-", ["-"]),
    ],
)
def test_a_file_is_named_at_the_beginning_of_a_word(text, files):
    assert list(mentioned(text)) == files


@pytest.mark.parametrize(
    "text",
    ["ann@a.py", "x=@a.py", "a@b.py,c@b.py", "@ a.py", "@", "@.", "@)))", '@""', "@a.pyx", "@\0", "npm i @scope"],
)
def test_no_file_is_named_within_a_word_or_by_another_name(text):
    assert list(mentioned(text)) == []


def test_what_looks_like_a_path_is_told_once():
    told = []
    text = "@app.task\n@app.task\nnpm i @scope/pkg, @property @pytest.fixture @src @gone.link @gone.md, @gone.md."
    assert list(mentioned(text, told.append)) == []
    assert told == [
        "there is no file `app.task`: it stays text",
        "there is no file `scope/pkg`: it stays text",
        "`src` is no file: it stays text",
        "`gone.link` is no file: it stays text",
        "there is no file `gone.md`: it stays text",
    ]


@pytest.mark.parametrize("text", ["@" + ")" * 2_000_000, "@a/" + "x." * 1_000_000, "@a.py," * 200_000, "@" * 1_000_000])
def test_a_text_of_any_length_is_looked_through_in_a_moment(text):
    assert len(list(mentioned(text))) <= 1
