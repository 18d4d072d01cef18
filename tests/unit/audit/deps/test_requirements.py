from __future__ import annotations

from envtool.audit.deps.requirements import read_requirements

CU = "https://download.pytorch.org/whl/cu121"


def spans(text: str) -> list[tuple[str, str]]:
    return [(entry.name, text[entry.start : entry.end]) for entry in read_requirements(text).requirements]


def test_requirements_and_their_places() -> None:
    text = '  # first\r\nTorch_Vision>=0.5 ; sys_platform == "linux"  # why\r\n\r\n  numpy[extra]==1.26.4\r\n'
    assert spans(text) == [
        ("torch-vision", 'Torch_Vision>=0.5 ; sys_platform == "linux"'),
        ("numpy", "numpy[extra]==1.26.4"),
    ]
    torchvision, numpy = read_requirements(text).requirements
    assert torchvision.marker == 'sys_platform == "linux"'
    assert torchvision.pin is None
    assert str(numpy.pin) == "1.26.4"
    assert numpy.extras == {"extra"}


def test_a_continued_line_with_hashes_ends_at_its_version() -> None:
    text = "torch==2.13.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nnumpy==1\n"
    assert spans(text) == [("torch", "torch==2.13.0"), ("numpy", "numpy==1")]
    assert read_requirements(text).options == ()


def test_direct_references() -> None:
    wheel = f"{CU}/torch-2.3.0%2Bcu121-cp311-cp311-linux_x86_64.whl"
    text = f"torch @ {wheel}\n{wheel}\ngit+https://git.example/x/demucs.git@main  # tip\n-e git+https://git.example/y#egg=bark\n"
    found = read_requirements(text).requirements
    assert [(entry.name, entry.url) for entry in found] == [
        ("torch", wheel),
        ("torch", wheel),
        ("demucs", "git+https://git.example/x/demucs.git@main"),
        ("bark", "git+https://git.example/y#egg=bark"),
    ]


def test_options_on_their_own_lines_and_behind_a_requirement() -> None:
    text = f"--extra-index-url={CU}\n-f ./wheels\n-i https://mirror.example/simple # x\ntorch==2.3.0 --index-url {CU}\n"
    options = read_requirements(text).options
    assert [(o.kind, o.url, o.inline, text[o.start : o.end]) for o in options] == [
        ("extra", CU, "", f"--extra-index-url={CU}"),
        ("find-links", "./wheels", "", "-f ./wheels"),
        ("index", "https://mirror.example/simple", "", "-i https://mirror.example/simple"),
        ("index", CU, "torch", f"--index-url {CU}"),
    ]


def test_includes() -> None:
    includes = read_requirements("-r base.txt\n--constraint=pins/c.txt\n").includes
    assert [(include.path, include.constraint) for include in includes] == [("base.txt", False), ("pins/c.txt", True)]


def test_what_no_tool_reads_is_left_out() -> None:
    assert spans("{{ torch }}\n{% if x %}\n<<<<<<< HEAD\n--unknown-option torch\n-r\n'torch'\n") == []
