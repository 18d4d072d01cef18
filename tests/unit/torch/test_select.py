"""The torch step's choice: coverage first, then the newest; partners that fit; errors that name what there is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from envtool.errors import ResolutionError
from envtool.torch.backends import CPU, parse_backend
from envtool.torch.index import Candidate, make_candidate
from envtool.torch.pairs import torch_from_metadata, torch_from_scheme
from envtool.torch.select import FamilyRequest, Grid, TorchPins, describe_cells, select
from envtool.torch.targets import TARGETS

LINUX, ARM, WINDOWS, MACOS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_28_aarch64",
    "win_amd64",
    "macosx_14_0_arm64",
)
PYTHONS = ("3.11", "3.12")
GRID = Grid(targets=tuple(TARGETS.values()), pythons=PYTHONS, primary="3.11", host="linux-x86_64")


def wheels(
    name: str, public: str, platforms: Sequence[str] = (LINUX, ARM, WINDOWS, MACOS), pythons: Sequence[str] = PYTHONS
) -> list[Candidate]:
    found = []
    for platform in platforms:
        version = public if platform == MACOS else f"{public}+cpu"
        for python in pythons:
            tag = f"cp{python.replace('.', '')}"
            candidate = make_candidate(f"{name}-{version}-{tag}-{tag}-{platform}.whl", "x", None)
            assert candidate is not None
            found.append(candidate)
    return found


def ask(text: str) -> FamilyRequest:
    return FamilyRequest(name=Requirement(text).name, requirements=(Requirement(text),))


def choose(
    requests: Sequence[FamilyRequest], offers: dict[str, list[Candidate]], grid: Grid = GRID, backend: str = "cpu"
) -> TorchPins:
    return select(requests, offers, parse_backend(backend), grid, torch_from_scheme)


def versions(pins: TorchPins) -> list[str]:
    return [f"{pin.name} {pin.version}" for pin in pins.pins]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["torch==2.7"], "no cpu build of torch==2.7 exists in the find-links folder wheels"),
        (["torchtext"], "the find-links folder wheels has no wheel of torchtext"),
        (
            ["torch", "torchvision"],
            "the find-links folder wheels has no build of torchvision for Python 3.11, 3.12 on "
            + ", ".join(sorted(TARGETS)),
        ),
    ],
)
def test_an_error_names_the_place_that_was_looked_at(texts: list[str], message: str) -> None:
    offers = {"torch": wheels("torch", "2.13.0"), "torchvision": wheels("torchvision", "0.28.0", pythons=["3.9"])}
    with pytest.raises(ResolutionError) as caught:
        select([ask(text) for text in texts], offers, CPU, GRID, torch_from_scheme, "the find-links folder wheels")
    assert caught.value.message == message


def test_a_version_older_than_every_python_here_says_which_ones_it_has() -> None:
    offers = {"torch": wheels("torch", "1.6.0", [LINUX], ["3.7", "3.8"]) + wheels("torch", "2.13.0")}
    with pytest.raises(ResolutionError) as caught:
        choose([ask("torch==1.6.0")], offers)
    assert caught.value.hint.startswith("torch 1.6.0 has builds for Python 3.7, 3.8. For Python 3.11 on linux-x86_64 ")


@pytest.mark.parametrize("text", ["torch", "torch==2.13.0"])
def test_builds_for_other_pythons_and_targets_than_those_that_were_asked_for_are_named(text: str) -> None:
    offers = {"torch": wheels("torch", "2.13.0", [LINUX, WINDOWS], ["3.10", "3.12"])}
    grid = Grid(targets=(TARGETS["linux-x86_64"],), pythons=("3.14",), primary="3.14", host="linux-x86_64")
    with pytest.raises(ResolutionError) as caught:
        select([ask(text)], offers, CPU, grid, torch_from_scheme)
    assert caught.value.message.endswith("for Python 3.14 on linux-x86_64")
    assert caught.value.hint.startswith(
        "torch 2.13.0 has builds for Python 3.10, 3.12 on linux-x86_64, windows-amd64. "
    )


def test_the_newest_that_covers_everything() -> None:
    offers = {"torch": wheels("torch", "2.8.0") + wheels("torch", "2.9.0") + wheels("torch", "2.10.0", [LINUX])}
    found = choose([ask("torch")], offers)
    assert versions(found) == ["torch 2.9.0", "torch 2.9.0+cpu"]
    assert found.cells == frozenset(GRID.cells)
    assert found.skipped == (
        (
            "torch 2.10.0 has no build for Python 3.11, 3.12 on linux-aarch64, macos-arm64, windows-amd64; "
            "torch 2.9.0 is used"
        ),
    )


def test_then_the_newest_that_covers_the_python_in_use() -> None:
    offers = {"torch": wheels("torch", "2.8.0", pythons=["3.11"]) + wheels("torch", "2.9.0", [LINUX])}
    found = choose([ask("torch")], offers)
    assert versions(found) == ["torch 2.8.0", "torch 2.8.0+cpu"]
    assert {python for _, python in found.cells} == {"3.11"}
    assert len(found.gaps) == 4


def test_then_the_newest_for_this_machine() -> None:
    offers = {"torch": wheels("torch", "2.8.0", [LINUX], ["3.11"]) + wheels("torch", "2.9.0", [WINDOWS])}
    found = choose([ask("torch")], offers)
    assert versions(found) == ["torch 2.8.0+cpu"]
    assert found.cells == {("linux-x86_64", "3.11")}


def test_a_cell_without_a_member_is_not_covered() -> None:
    offers = {
        "torch": wheels("torch", "2.13.0"),
        "torchaudio": wheels("torchaudio", "2.11.0", [ARM, WINDOWS, MACOS])
        + wheels("torchaudio", "2.11.0", [LINUX], ["3.11"]),
    }
    found = choose([ask("torch"), ask("torchaudio")], offers)
    assert found.cells == frozenset(GRID.cells) - {("linux-x86_64", "3.12")}
    assert found.gaps == (("torchaudio 2.11.0", ("linux-x86_64", "3.12")),)
    for pin in found.pins:
        assert pin.cells <= found.cells


def test_partners_fit_their_torch() -> None:
    offers = {
        "torch": wheels("torch", "2.13.0") + wheels("torch", "2.14.0"),
        "torchvision": wheels("torchvision", "0.27.0") + wheels("torchvision", "0.28.0"),
        "torchaudio": wheels("torchaudio", "2.10.0") + wheels("torchaudio", "2.11.0"),
    }
    found = choose([ask("torchaudio"), ask("torchvision")], offers)
    assert {pin.name: pin.version.public for pin in found.pins} == {
        "torch": "2.13.0",
        "torchaudio": "2.11.0",
        "torchvision": "0.28.0",
    }
    assert found.skipped == ("no partner fits torch 2.14.0; torch 2.13.0 is used",)


def test_both_reasons_for_an_older_torch() -> None:
    offers = {
        "torch": wheels("torch", "2.9.0") + wheels("torch", "2.10.0") + wheels("torch", "2.11.0", [LINUX]),
        "torchaudio": wheels("torchaudio", "2.9.0") + wheels("torchaudio", "2.10.0"),
    }
    found = choose([ask("torchaudio<2.10")], offers)
    assert found.skipped == (
        (
            "torch 2.11.0 has no build for Python 3.11, 3.12 on linux-aarch64, macos-arm64, windows-amd64; "
            "no partner fits torch 2.10.0; torch 2.9.0 is used"
        ),
    )


def test_markers_make_groups() -> None:
    offers = {"torch": wheels("torch", "2.8.0") + wheels("torch", "2.9.0")}
    request = FamilyRequest(
        name="torch",
        requirements=(
            Requirement("torch<2.9 ; sys_platform == 'win32'"),
            Requirement("torch ; sys_platform == 'linux'"),
        ),
    )
    found = choose([request], offers)
    assert versions(found) == ["torch 2.8.0+cpu", "torch 2.9.0+cpu"]
    assert {target for target, _ in found.cells} == {"windows-amd64", "linux-x86_64", "linux-aarch64"}


def test_plain_builds_on_arm_until_there_are_others() -> None:
    plain = [
        candidate
        for python in ("311", "312")
        for candidate in [make_candidate(f"torch-2.5.1-cp{python}-cp{python}-manylinux2014_aarch64.whl", "x", None)]
        if candidate is not None
    ]
    grid = Grid(targets=(TARGETS["linux-aarch64"],), pythons=PYTHONS, primary="3.11", host="linux-aarch64")
    assert versions(choose([ask("torch")], {"torch": plain}, grid)) == ["torch 2.5.1"]
    both = plain + wheels("torch", "2.5.1", [ARM])
    assert versions(choose([ask("torch")], {"torch": both}, grid)) == ["torch 2.5.1+cpu"]
    with pytest.raises(ResolutionError):
        choose(
            [ask("torch")],
            {"torch": plain},
            Grid(targets=grid.targets, pythons=PYTHONS, primary="3.11", host=None),
            "cu126",
        )


def test_prereleases_only_when_asked_for() -> None:
    offers = {"torch": wheels("torch", "2.13.0") + wheels("torch", "2.14.0rc1")}
    assert versions(choose([ask("torch")], offers)) == ["torch 2.13.0", "torch 2.13.0+cpu"]
    only = {"torch": wheels("torch", "2.14.0rc1")}
    assert versions(choose([ask("torch")], only)) == ["torch 2.14.0rc1", "torch 2.14.0rc1+cpu"]
    assert versions(choose([ask("torch>=2.14.0rc1")], offers)) == ["torch 2.14.0rc1", "torch 2.14.0rc1+cpu"]


@pytest.mark.parametrize(
    ("requests", "code", "words", "hint"),
    [
        (["torch==2.7"], "resolve.no-version", "no cpu build of torch==2.7 exists", "The nearest are 2.8.0"),
        (["torch==2.99"], "resolve.no-version", "no cpu build of torch==2.99 exists", "The newest is 2.14.0."),
        (["torch>=2.13,<2.9"], "resolve.no-version", "of torch exclude each other: torch<2.9,>=2.13", "Take one of"),
        (["torch==2.14.0"], "resolve.no-build", "for Python 3.11 on linux-x86_64", "torch 2.8.0 to 2.13.0"),
        (["torchtext"], "resolve.no-build", "the cpu index does not list torchtext at all", "Leave torchtext out"),
        (["torch==2.13.0", "torchvision==0.27.0"], "resolve.family", "0.27.0 needs torch==2.12.*", "Loosen"),
    ],
)
def test_errors_name_what_there_is(requests: list[str], code: str, words: str, hint: str) -> None:
    offers = {
        "torch": wheels("torch", "2.8.0") + wheels("torch", "2.13.0") + wheels("torch", "2.14.0", [MACOS], ["3.12"]),
        "torchvision": wheels("torchvision", "0.27.0"),
        "torchtext": [],
    }
    with pytest.raises(ResolutionError) as caught:
        choose([ask(text) for text in requests], offers)
    assert caught.value.code == code
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_cells_as_words_are_the_same_in_any_order() -> None:
    cells = [("windows-amd64", "3.10"), ("linux-x86_64", "3.9"), ("linux-x86_64", "3.10"), ("linux-aarch64", "3.10")]
    expected = "Python 3.10 on linux-aarch64, windows-amd64; Python 3.9, 3.10 on linux-x86_64"
    assert describe_cells(cells) == describe_cells(reversed(cells)) == expected


@pytest.mark.parametrize(
    ("name", "version", "torch"),
    [
        ("torchvision", "0.28.0", "==2.13.*"),
        ("torchvision", "0.14.0", None),
        ("torchaudio", "2.10.0", "==2.10.*"),
        ("torchaudio", "2.11.0", ">=2.11"),
        ("torchtext", "0.18.0", None),
    ],
)
def test_the_release_scheme(name: str, version: str, torch: str | None) -> None:
    assert torch_from_scheme(name, Version(version)) == (None if torch is None else SpecifierSet(torch))


def test_torch_in_metadata() -> None:
    head = "Metadata-Version: 2.1\nName: torchvision\nVersion: 1\n"
    text = f"{head}Requires-Dist: numpy\nRequires-Dist: torch (==2.13.0)\nRequires-Dist: torch>9 ; extra == 'x'\n"
    assert torch_from_metadata(text.encode()) == SpecifierSet("==2.13.0")
    assert torch_from_metadata(head.encode()) == SpecifierSet()
    assert torch_from_metadata(f"{head}Requires-Dist: torch===oh no\n".encode()) is None


@pytest.mark.parametrize(
    ("version", "target", "accepted"),
    [
        ("2.13.0+cpu", "linux-x86_64", True),
        ("2.13.0", "linux-x86_64", False),
        ("2.13.0", "windows-amd64", False),
        ("2.13.0+e437e35", "windows-amd64", False),
        ("2.13.0+cu126", "linux-x86_64", False),
        ("2.13.0", "macos-arm64", True),
        ("2.13.0+cpu", "macos-arm64", False),
        ("2.5.1", "linux-aarch64", True),
    ],
)
def test_what_the_cpu_backend_accepts(version: str, target: str, accepted: bool) -> None:
    assert CPU.accepts(Version(version), TARGETS[target], has_local=False) is accepted
