"""Requirements files as they are found in the wild."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envtool.errors import UsageError
from envtool.lock.requirements_file import FileContent, decode, read_requirements_file, requested


def read(folder: Path, data: bytes | str, environ: dict[str, str] | None = None) -> FileContent:
    path = folder / "requirements.txt"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_requirements_file(path, folder, environ or {})


def names(content: FileContent) -> list[str]:
    return [str(line.requirement) for line in content.lines]


@pytest.mark.parametrize(
    "data",
    [
        b"torch\nnumpy<3\n",
        b"torch\r\nnumpy<3\r\n",
        b"torch\rnumpy<3\r",
        b"\xef\xbb\xbftorch\nnumpy<3\n",
        "\ufefftorch\nnumpy<3\n".encode("utf-16-le"),
        "\ufefftorch\nnumpy<3\n".encode("utf-16-be"),
        "\ufefftorch\r\nnumpy<3\r\n".encode("utf-16-le"),
        b"torch # caf\xe9\nnumpy<3\n",
        b"# -*- coding: latin-1 -*-\ntorch # \xe9\nnumpy<3",
        b"# coding: no-such-codec\ntorch\nnumpy<3",
        "torch # 日本語\nnumpy<3\n".encode(),
        b"\n\n   torch   \n\t\nnumpy <3   # why\n",
        b"torch\nnum\\\npy<3\n",
    ],
)
def test_encodings_and_line_ends(tmp_path: Path, data: bytes) -> None:
    assert names(read(tmp_path, data)) == ["torch", "numpy<3"]


@given(st.binary(max_size=200))
def test_decoding_never_raises(data: bytes) -> None:
    assert isinstance(decode(data), str)


def test_origins(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.txt").write_text("# first\nnumpy\n", encoding="utf-8")
    content = read(tmp_path, "torch\n\n-r sub/base.txt\n")
    assert [(str(line.requirement), line.origin) for line in content.lines] == [
        ("torch", "requirements.txt:1"),
        ("numpy", "sub/base.txt:2"),
    ]
    assert sorted(path.name for path in content.files) == ["base.txt", "requirements.txt"]


def test_nested_files_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one.txt").write_text("-r b/two.txt\n--requirement=b/three.txt\n", encoding="utf-8")
    (tmp_path / "a" / "b" / "two.txt").write_text("two\n", encoding="utf-8")
    (tmp_path / "a" / "b" / "three.txt").write_text("three\n", encoding="utf-8")
    assert sorted(names(read(tmp_path, "-r a/one.txt\n"))) == ["three", "two"]


def test_a_cycle_ends(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("numpy\n-r requirements.txt\n", encoding="utf-8")
    assert names(read(tmp_path, "torch\n-r other.txt\n-r requirements.txt\n")) == ["torch", "numpy"]


def test_constraints_are_apart(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("numpy<2\n", encoding="utf-8")
    content = read(tmp_path, "torch\n-c limits.txt\n")
    assert names(content) == ["torch"]
    assert [str(line.requirement) for line in content.constraints] == ["numpy<2"]


def test_a_file_may_be_both_constraints_and_requirements(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("-c test.txt\ntorch\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("six==1.16.0\n", encoding="utf-8")
    content = read(tmp_path, "-r base.txt\n-r test.txt\n-c test.txt\n")
    assert names(content) == ["torch", "six==1.16.0"]
    assert [str(line.requirement) for line in content.constraints] == ["six==1.16.0"]


def test_a_missing_file_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "torch\n-r gone.txt\n")
    assert caught.value.code == "requirements.missing"
    assert caught.value.message == "requirements file gone.txt does not exist (named in requirements.txt:2)"
    assert caught.value.hint == "Create it, or take the line out."
    with pytest.raises(UsageError) as caught:
        read_requirements_file(tmp_path / "nope.txt", tmp_path)
    assert caught.value.message == "requirements file nope.txt does not exist"
    assert caught.value.hint == "Is its name right?"


def test_a_folder_and_a_binary_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_requirements_file(tmp_path, tmp_path)
    assert caught.value.code in ("requirements.unreadable", "requirements.missing")
    with pytest.raises(UsageError, match=r"requirements\.txt is not a text file"):
        read(tmp_path, b"PK\x03\x04\0\0\0torch")


def test_index_options(tmp_path: Path) -> None:
    content = read(
        tmp_path,
        "--index-url https://one.example/simple\n--extra-index-url https://two.example/simple\n"
        "-i https://three.example/simple\n-f https://four.example/wheels\n--find-links ./wheels\n"
        "--trusted-host one.example\n--pre\n--no-binary :all:\ntorch\n",
    )
    assert [(kind, value) for kind, value, _ in content.options] == [
        ("default-index", "https://one.example/simple"),
        ("index", "https://two.example/simple"),
        ("default-index", "https://three.example/simple"),
        ("find-links", "https://four.example/wheels"),
        ("find-links", "./wheels"),
    ]
    assert names(content) == ["torch"]
    assert {option for option, _ in content.ignored} == {"--pre", "--no-binary"}


def test_folders_of_wheels_are_relative_to_the_file_that_names_them_if_there(tmp_path: Path) -> None:
    (tmp_path / "app/reqs/wheels").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    lines = "-f wheels\n--find-links ../../beside\n-f elsewhere\n-f https://wheels.example/\nsix --find-links wheels\n"
    (tmp_path / "app/reqs/a.txt").write_text(lines, encoding="utf-8")
    content = read(tmp_path / "app", "-f ./own\n-r reqs/a.txt\n")
    assert sorted(value for _, value, _ in content.options) == [
        "../beside",
        "./own",
        "elsewhere",
        "https://wheels.example/",
        "reqs/wheels",
        "reqs/wheels",
    ]


@pytest.mark.parametrize(
    ("line", "requirement", "option"),
    [
        (
            "torch --index-url https://one.example/whl/cu121",
            "torch",
            ("default-index", "https://one.example/whl/cu121"),
        ),
        ("torch==2.4.0 --extra-index-url https://a.example", "torch==2.4.0", ("index", "https://a.example")),
        ("torch -f https://one.example/whl.html", "torch", ("find-links", "https://one.example/whl.html")),
        ("torch --index-url=https://one.example/x", "torch", ("default-index", "https://one.example/x")),
    ],
)
def test_options_behind_a_requirement(tmp_path: Path, line: str, requirement: str, option: tuple[str, str]) -> None:
    content = read(tmp_path, f"{line}\n")
    assert names(content) == [requirement]
    assert content.options == [(*option, "requirements.txt:1")]


def test_hashes(tmp_path: Path) -> None:
    content = read(tmp_path, f"torch==2.0 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{'1' * 64}\nnumpy\n")
    assert [(str(line.requirement), line.hashed) for line in content.lines] == [("torch==2.0", True), ("numpy", False)]


@pytest.mark.parametrize(
    ("text", "local", "editable"),
    [("-e .\n", ".", True), ("--editable ./sub\n", "sub", True), ("./sub\n", "sub", False), (".[dev]\n", ".", False)],
)
def test_local_projects(tmp_path: Path, text: str, local: str, editable: bool) -> None:
    (tmp_path / "sub").mkdir()
    (line,) = read(tmp_path, text).lines
    assert line.requirement is None
    assert line.local is not None
    assert line.editable is editable
    assert local.strip("./") in line.local


def test_direct_references(tmp_path: Path) -> None:
    url = "https://download.pytorch.org/whl/cu121/torch-2.5.0%2Bcu121-cp311-cp311-linux_x86_64.whl"
    content = read(
        tmp_path, f"{url}\nthing @ https://host.example/thing-1.0-py3-none-any.whl ; sys_platform == 'linux'\n"
    )
    assert content.lines[0].url == url
    assert content.lines[1].url == "https://host.example/thing-1.0-py3-none-any.whl"
    assert content.lines[1].marker == 'sys_platform == "linux"'


def test_variables(tmp_path: Path) -> None:
    text = "--index-url https://${USER_NAME}:${TOKEN}@one.example/simple\n${PACKAGE}\ntorch # ${lower} $PLAIN\n"
    content = read(tmp_path, text, {"USER_NAME": "me", "TOKEN": "t0ken", "PACKAGE": "numpy"})
    assert content.options[0][1] == "https://${USER_NAME}:${TOKEN}@one.example/simple"
    assert names(content) == ["numpy", "torch"]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("torch --extra-index-url https://one.example/${TOKEN}/simple", "https://one.example/${TOKEN}/simple"),
        ("torch --extra-index-url=${INDEX}", "${INDEX}"),
        ('torch==${VERSION} --extra-index-url="${INDEX}"', "${INDEX}"),
        ("torch\n--extra-index-url \\\n  ${INDEX}", "${INDEX}"),
        ("torch\n${OPTION}", "https://one.example/t0ken/simple"),
        ("torch ${OPTION}", "https://one.example/t0ken/simple"),
    ],
)
def test_variables_of_an_index(tmp_path: Path, line: str, value: str) -> None:
    index = "https://one.example/t0ken/simple"
    environ = {"TOKEN": "t0ken", "INDEX": index, "OPTION": f"--extra-index-url {index}", "VERSION": "2.13.0"}
    content = read(tmp_path, f"{line}\n", environ)
    assert [option[:2] for option in content.options] == ([("index", value)])
    assert [line.name for line in content.lines] == ["torch"]


def test_an_open_quotation_mark(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, 'numpy\ntorch --extra-index-url "https://me@corp.example:s3cret@one.example/simple\n')
    shown = "'torch --extra-index-url \"https://one.example/simple'"
    assert caught.value.message == f"requirements.txt:2: cannot read {shown}: no closing quotation"


@pytest.mark.parametrize("line", ["{{ cookiecutter.name }}", "torch==", "torch 2.0", "<<<<<<< HEAD", "torch=2.0", "@"])
def test_a_line_that_nobody_reads(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, f"numpy\n{line}\n")
    assert caught.value.code == "requirements.invalid"
    assert caught.value.message.startswith(f"requirements.txt:2: cannot read {line!r}")


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    with contextlib.suppress(UsageError):
        read(folder, text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("numpy==", "a version is missing behind =="),
        ("numpy>=1,<", "a version is missing behind <"),
        ("numpy~= ; python_version > '3'", "a version is missing behind ~="),
        ("numpy 1.2", "Expected semicolon (after name with no version specifier) or end"),
    ],
)
def test_why_a_line_is_no_requirement(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"torch\n{text}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_requirements_file(tmp_path / "requirements.txt", tmp_path)
    assert caught.value.message == f"requirements.txt:2: cannot read {text!r}: {reason}"
    with pytest.raises(UsageError) as caught:
        requested(text, "command line")
    assert caught.value.message == f"command line: {text!r} is not a requirement: {reason}"


def test_a_url_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text("torch\n-c https://me:secret@example.com/c.txt\n")
    for path, said in (
        (Path("https://example.com/r.txt"), "https://example.com/r.txt is a URL, and only files are read"),
        (Path("r.txt"), "https://example.com/c.txt is a URL (named in r.txt:2), and only files are read"),
    ):
        with pytest.raises(UsageError) as caught:
            read_requirements_file(path, tmp_path)
        assert (caught.value.code, caught.value.message) == ("requirements.url", said)
        assert caught.value.hint == "Download it, and name the file."
