"""Project pages, friendly and hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envtool.torch.index import Candidate, parse_project_page

URL = "https://mirror.example/whl/cpu/torch/"
LINUX = "torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl"


def page(*anchors: str, url: str = URL) -> tuple[Candidate, ...]:
    text = "<!DOCTYPE html><html><body><h1>Links for torch</h1>\n" + "<br/>\n".join(anchors) + "</body></html>"
    return parse_project_page(text, url, "text/html", "torch")


def test_a_page_of_the_pytorch_index() -> None:
    digest = "a" * 64
    (found,) = page(
        f'<a href="https://files.example/whl/cpu/{LINUX}#sha256={digest}" data-dist-info-metadata="sha256=b">x</a>'
    )
    assert (found.name, str(found.version), found.sha256) == ("torch", "2.13.0+cpu", digest)
    assert found.url == f"https://files.example/whl/cpu/{LINUX}"
    assert found.filename == LINUX.replace("%2B", "+")
    assert found.has_metadata
    assert found.size is None


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (f"/whl/{LINUX}", f"https://mirror.example/whl/{LINUX}"),
        (f"../{LINUX}", f"https://mirror.example/whl/cpu/{LINUX}"),
        (LINUX, f"https://mirror.example/whl/cpu/torch/{LINUX}"),
        (f"//files.example/{LINUX}", f"https://files.example/{LINUX}"),
        (LINUX.replace("%2B", "+"), f"https://mirror.example/whl/cpu/torch/{LINUX.replace('%2B', '+')}"),
    ],
)
def test_links_are_relative_to_the_page(href: str, url: str) -> None:
    (found,) = page(f'<a href="{href}">x</a>')
    assert found.url == url
    assert str(found.version) == "2.13.0+cpu"
    assert found.sha256 is None


def test_a_base_element() -> None:
    (found,) = page(f'<base href="https://base.example/x/"><a href="{LINUX}">x</a>')
    assert found.url == f"https://base.example/x/{LINUX}"


def test_build_tags_and_odd_names() -> None:
    found = page(
        '<a href="torch-2.10.0-1-cp312-none-macosx_11_0_arm64.whl">x</a>',
        '<a href="torch-2.13.0.tar.gz">an sdist</a>',
        '<a href="torch-1.0-py2.7.egg">an egg</a>',
        '<a href="torch-x-y.whl">nonsense</a>',
        '<a href="torchvision-0.1-py3-none-any.whl">another project</a>',
        '<a href="Torch-2.1-py3-none-any.whl">the same by another name</a>',
        '<a href="torch-2.2-py3-none-any.whl" data-yanked="why">yanked</a>',
        "<a>no link</a>",
        '<a href="">empty</a>',
        "<script>challenge()</script>",
    )
    assert [str(item.version) for item in found] == ["2.10.0", "2.1"]


def test_another_digest_is_no_sha256() -> None:
    (found,) = page(f'<a href="{LINUX}#md5=00">x</a>')
    assert found.sha256 is None


@pytest.mark.parametrize("digest", ["", "xyz", "a" * 63, "../../etc", "A" * 64])
def test_what_is_no_digest(digest: str) -> None:
    (found,) = page(f'<a href="{LINUX}#sha256={digest}">x</a>')
    assert found.sha256 == ("a" * 64 if digest == "A" * 64 else None)


def as_json(table: Any) -> tuple[Candidate, ...]:
    return parse_project_page(json.dumps(table), URL, "application/vnd.pypi.simple.v1+json", "torch")


def test_a_json_page() -> None:
    name = LINUX.replace("%2B", "+")
    (found,) = as_json(
        {
            "files": [
                {
                    "filename": name,
                    "url": f"../../{LINUX}",
                    "hashes": {"sha256": "c" * 64},
                    "size": 7,
                    "core-metadata": True,
                },
                {"filename": "torch-2.2-py3-none-any.whl", "url": "x", "hashes": {}, "yanked": "why"},
            ]
        }
    )
    assert (found.sha256, found.size, found.has_metadata) == ("c" * 64, 7, True)
    assert found.url == f"https://mirror.example/whl/{LINUX}"


@pytest.mark.parametrize(
    "table",
    [
        [],
        1,
        None,
        {},
        {"files": None},
        {"files": 1},
        {"files": {}},
        {"files": [1, None, "x", [], {}]},
        {"files": [{"filename": "torch-1-py3-none-any.whl"}]},
        {"files": [{"filename": 1, "url": "x"}]},
        {"files": [{"filename": "torch-1-py3-none-any.whl", "url": 1}]},
        {"files": [{"filename": "torch-1-py3-none-any.whl", "url": "http://[bad"}]},
    ],
)
def test_json_of_another_shape_offers_nothing(table: Any) -> None:
    assert as_json(table) == ()


@pytest.mark.parametrize("hashes", [None, 1, [], {"sha256": 1}, {"sha256": "x"}, "x"])
def test_hashes_of_another_shape(hashes: Any) -> None:
    (found,) = as_json(
        {"files": [{"filename": "torch-1-py3-none-any.whl", "url": "x", "hashes": hashes, "size": "big"}]}
    )
    assert found.sha256 is None
    assert found.size is None


def test_text_that_is_no_json() -> None:
    assert parse_project_page("<html>", URL, "application/json", "torch") == ()


@settings(deadline=None, max_examples=200)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["<a href='", "'>", "<base href='", "http://[", "torch-1-py3-none-any.whl", "#sha256="]
                ),
                st.text(max_size=6),
            ),
            max_size=12,
        ).map("".join),
    ),
    st.sampled_from(["text/html", "application/vnd.pypi.simple.v1+json", ""]),
)
def test_no_page_raises(text: str, kind: str) -> None:
    assert isinstance(parse_project_page(text, URL, kind, "torch"), tuple)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["files", "filename", "url", "hashes", "sha256", "size"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(values)
def test_no_json_raises(table: Any) -> None:
    assert isinstance(as_json(table), tuple)
