from __future__ import annotations

import pytest

from envtool.audit.install.lex import Dialect, lex
from envtool.audit.install.shell import substitutions, unrolled


def commands(text: str, dialect: Dialect = "sh") -> list[list[str]]:
    return [[word.text for word in command.words] for command in lex(text, 0, len(text), dialect)]


def conditions(text: str) -> dict[str, str]:
    return {command.words[0].text: command.condition for command in lex(text, 0, len(text))}


def test_operators_quotes_comments_and_continuations() -> None:
    text = "a 'b c' \"d\" && e\\\n  f#g # not this; nor 'this\nh | i; (j) &\n"
    assert commands(text) == [["a", "b c", "d"], ["e", "f#g"], ["h"], ["i"], ["j"]]


def test_words_know_their_places() -> None:
    text = "x && pip install 'torch>=2' \\\n  -r  req.txt"
    words = [word for command in lex(text, 5, len(text)) for word in command.words]
    assert [(word.text, text[word.start : word.end]) for word in words] == [
        ("pip", "pip"),
        ("install", "install"),
        ("torch>=2", "'torch>=2'"),
        ("-r", "-r"),
        ("req.txt", "req.txt"),
    ]


def test_expressions_and_substitutions_stay_one_word() -> None:
    assert commands("pip install torch==${{ matrix.torch }}+cpu $(cat a b) ${X:-y z}") == [
        ["pip", "install", "torch==${{ matrix.torch }}+cpu", "$(cat a b)", "${X:-y z}"]
    ]


def test_the_body_of_a_heredoc_is_no_command() -> None:
    assert commands("cat <<'EOF' > x\npip install torch\nEOF\nls\n") == [["cat", "<<EOF", ">", "x"], ["ls"]]


@pytest.mark.parametrize(
    ("text", "dialect", "expected"),
    [
        ("a \\\n # why\n\n b\nc", "docker", [["a", "b"], ["c"]]),
        ("a\n  b\n", "folded", [["a", "b"]]),
        ('["a", "b c",\n "d"]', "exec", [["a", "b c", "d"]]),
        ("a `\n b\nc 'd e'", "powershell", [["a", "b"], ["c", "d e"]]),
        ('rem x\na ^\n "b c"\n:: d\n', "batch", [["a", "b c"]]),
        ("a C:\\x\\y\n", "batch", [["a", "C:\\x\\y"]]),
    ],
)
def test_dialects(text: str, dialect: Dialect, expected: list[list[str]]) -> None:
    assert commands(text, dialect) == expected


def test_conditions_around_a_command() -> None:
    text = (
        'if [ "$GPU" = 1 ]; then\n  a\nelif x; then\n  b\nelse\n  c\nfi\nd\n'
        'case "$DEVICE" in\n  cuda) e ;;\n  *) f ;;\nesac\ng\n'
        "install_gpu() {\n  h\n}\ni\nwhile true; do j; done\n"
    )
    found = conditions(text)
    assert "GPU" in found["a"]
    assert "elif x" in found["b"]
    assert "GPU" in found["c"]
    assert found["d"] == found["g"] == found["i"] == ""
    assert "DEVICE" in found["e"]
    assert "cuda" in found["e"]
    assert "cuda" not in found["f"]
    assert found["h"] == "install_gpu"
    assert commands("if x; then a; fi") == [["x"], ["a"]]


@pytest.mark.parametrize("text", ["'", '"' * 9, "$(", "${{", "`", "\\", "fi\n}\nesac\nb", "if", "(((", "case x in"])
def test_broken_text_is_read_as_far_as_it_goes(text: str) -> None:
    commands(text)


def test_time_grows_with_the_text_and_not_faster() -> None:
    import time

    begin = time.process_time()
    commands("${{ " * 20_000 + "\n" + "'" * 20_001 + "$(" * 20_000)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("x=$(pip install torch)", [["pip", "install", "torch"]]),
        ('echo "$(pip install torch) `ls -l`"', [["pip", "install", "torch"], ["ls", "-l"]]),
        ("echo '$(pip install torch)'", []),
        ('echo "\\$(pip install torch)" \\`ls\\`', []),
        ("x=$((1 + 2))", []),
    ],
)
def test_commands_in_substitutions(text: str, inner: list[list[str]]) -> None:
    found = [part for command in lex(text, 0, len(text)) for part in substitutions(text, command)]
    assert [[word.text for word in part.words] for part in found] == inner
    assert all(text[word.start : word.end] == word.text for part in found for word in part.words)


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("for p in a b; do x $p ${p}; done", [["x", "a", "a"], ["x", "b", "b"]]),
        ("for p in a b; do for q in c d; do x $p-$q; done; done", [["x", f"{p}-{q}"] for p in "ab" for q in "cd"]),
        (f"for p in {'a ' * 51}; do x $p; done", [["x", "$p"]]),
        ("for p in a b; do x $pq; done", [["x", "$pq"]]),
        ("for p in a $B; do x $p; done", [["x", "$p"]]),
        ("for p in *.txt; do x $p; done", [["x", "$p"]]),
        ("for p in a b; do x; done; x $p", [["x"], ["x", "$p"]]),
    ],
)
def test_turns_of_a_loop(text: str, turns: list[list[str]]) -> None:
    found = [part for command in lex(text, 0, len(text)) for part in unrolled(command)]
    assert [[word.text for word in part.words] for part in found] == turns
