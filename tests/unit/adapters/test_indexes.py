"""Where the user's own configuration says that packages come from; URLs without their secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envtool.adapters.http import credentials, redact, redact_text
from envtool.adapters.indexes import read_ambient
from envtool.adapters.uv import access_environment, run_uv
from envtool.adapters.variables import expand, filled_in
from envtool.errors import UsageError
from envtool.models import Completed, IndexAccess, NamedIndex


def ambient(tmp_path: Path, **variables: str) -> IndexAccess:
    environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), **variables}
    return read_ambient(environ)


def test_nothing_is_set(tmp_path: Path) -> None:
    assert ambient(tmp_path) == IndexAccess()


def test_the_order(tmp_path: Path) -> None:
    pip = tmp_path / "pip.conf"
    pip.write_text(
        "[global]\nindex-url = https://pip-file.example/simple\nfind-links = /a /b\n"
        "extra-index-url = https://extra.example/simple\n",
        encoding="utf-8",
    )
    assert ambient(tmp_path, PIP_CONFIG_FILE=str(pip)) == IndexAccess(
        default_index="https://pip-file.example/simple", find_links=("/a", "/b")
    )
    assert (
        ambient(tmp_path, PIP_CONFIG_FILE=str(pip), PIP_INDEX_URL="https://pip-env.example/simple").default_index
        == "https://pip-env.example/simple"
    )
    if os.name == "posix":
        (tmp_path / "config" / "uv").mkdir(parents=True)
        (tmp_path / "config" / "uv" / "uv.toml").write_text(
            '[[index]]\nurl = "https://extra.example/simple"\n'
            '[[index]]\nurl = "https://uv-file.example/simple"\ndefault = true\n',
            encoding="utf-8",
        )
        assert ambient(tmp_path, PIP_CONFIG_FILE=str(pip)).default_index == "https://uv-file.example/simple"
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        assert ambient(tmp_path, PIP_CONFIG_FILE=str(pip), **{name: "https://env.example/s"}).default_index == (
            "https://env.example/s"
        )
    assert ambient(tmp_path, UV_FIND_LINKS="x, y", PIP_FIND_LINKS="z").find_links == ("x", "y")


def test_without_files_pip_is_not_asked_and_would_say_the_same(tmp_path: Path) -> None:
    variables = {"PIP_INDEX_URL": "https://env.example/simple", "PIP_FIND_LINKS": "/a /b"}
    quick = ambient(tmp_path, PIP_CONFIG_FILE=os.devnull, **variables)
    empty = tmp_path / "pip.conf"
    empty.touch()
    asked = ambient(tmp_path, PIP_CONFIG_FILE=str(empty), **variables)
    assert quick == asked == IndexAccess(default_index="https://env.example/simple", find_links=("/a", "/b"))


@pytest.mark.skipif(os.name != "posix", reason="where uv.toml lies")
@pytest.mark.parametrize("own", ["", "old:0ld@"])
def test_the_credentials_of_a_default_index_with_a_name(tmp_path: Path, own: str) -> None:
    (tmp_path / "config" / "uv").mkdir(parents=True)
    text = f'[[index]]\nname = "corp"\nurl = "https://{own}corp.example/simple"\ndefault = true\n'
    (tmp_path / "config" / "uv" / "uv.toml").write_text(text, encoding="utf-8")
    secret = {"UV_INDEX_CORP_USERNAME": "me", "UV_INDEX_CORP_PASSWORD": "s3cr@t"}
    assert ambient(tmp_path).default_index == f"https://{own}corp.example/simple"
    assert ambient(tmp_path, **secret).default_index == "https://me:s3cr%40t@corp.example/simple"
    # Another one that comes before it has no name, or the same.
    plain = ambient(tmp_path, UV_DEFAULT_INDEX="https://env.example/simple?a=b", **secret)
    assert plain.default_index == "https://env.example/simple?a=b"
    named = ambient(tmp_path, UV_DEFAULT_INDEX="corp=https://env.example/simple", **secret)
    assert named.default_index == "https://me:s3cr%40t@env.example/simple"


@pytest.mark.parametrize("variable", ["PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"])
def test_an_extra_index_is_left_out(tmp_path: Path, variable: str) -> None:
    assert ambient(tmp_path, **{variable: "https://extra.example/simple"}) == IndexAccess()


@pytest.mark.parametrize(
    ("url", "plain", "secret"),
    [
        ("https://user:pass@host.example:8080/simple", "https://host.example:8080/simple", ("user", "pass")),
        ("https://token@host.example/s?q=1#f", "https://host.example/s?q=1#f", ("token", "")),
        ("https://user:p%40ss@host.example/s", "https://host.example/s", ("user", "p%40ss")),
        ("https://me@corp.example:s3cret@host.example/s", "https://host.example/s", ("me@corp.example", "s3cret")),
        ("https://host.example/simple", "https://host.example/simple", None),
        ("./wheels", "./wheels", None),
    ],
)
def test_redaction(url: str, plain: str, secret: tuple[str, str] | None) -> None:
    assert redact(url) == plain
    assert credentials(url) == secret
    assert redact_text(f"from {url}, and") == f"from {plain}, and"


def test_a_url_that_cannot_be_read_is_redacted_too() -> None:
    assert redact("https://me:s3cret@[host/simple") == "https://[host/simple"


def test_what_a_variable_put_into_a_url_shows_as_the_variable() -> None:
    environ = {"TOKEN": "s3cret/1", "SHORT": "a"}
    url = filled_in("https://host.example/${SHORT}/${TOKEN}/simple", environ)
    assert url == "https://host.example/a/s3cret/1/simple"
    assert redact_text("a page s3cret%2F1 of s3cret/1") == "a page ${TOKEN} of ${TOKEN}"
    assert expand("torch==${SHORT} ${TOKEN2}", environ) == "torch==a ${TOKEN2}"
    with pytest.raises(UsageError) as caught:
        filled_in("https://me:t0ken@host.example/${TOKEN}", {})
    message = "TOKEN is not set, which the index https://host.example/${TOKEN} needs"
    assert (caught.value.code, caught.value.message) == ("request.variable", message)


def test_secrets_do_not_show_in_a_repr() -> None:
    access = IndexAccess(
        default_index="https://u:s3cret@host.example/s",
        routes=(NamedIndex(name="a", url="https://u:s3cret@b.example"),),
    )
    assert "s3cret" not in repr(access)
    assert access_environment(access) == {
        "UV_DEFAULT_INDEX": "https://u:s3cret@host.example/s",
        "UV_INDEX": "a=https://u:s3cret@b.example",
    }


def test_uv_does_not_draw_where_it_would_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []

    def run(*_: object, show_stderr: bool, **__: object) -> Completed:
        drawn.append(show_stderr)
        return Completed(args=(), returncode=0, stdout="", stderr="")

    monkeypatch.setattr("envtool.adapters.uv.run", run)
    monkeypatch.setenv("DRAWN_TOKEN", "dr4wn-t0ken")
    for url in ("https://host.example/simple", "https://host.example/${DRAWN_TOKEN}/simple"):
        run_uv(["pip", "install"], env=access_environment(IndexAccess(default_index=url)), show_stderr=True)
    assert drawn == [True, False]


@pytest.mark.parametrize(
    ("variable", "where"),
    [
        ("UV_DEFAULT_INDEX", "UV_DEFAULT_INDEX"),
        ("UV_INDEX_URL", "UV_INDEX_URL"),
        ("PIP_INDEX_URL", "pip's index-url (PIP_INDEX_URL, or its configuration)"),
        ("UV_FIND_LINKS", "find-links of uv or pip"),
    ],
)
def test_a_url_that_cannot_be_read(tmp_path: Path, variable: str, where: str) -> None:
    with pytest.raises(UsageError) as caught:
        ambient(tmp_path, **{variable: "https://me:s3cret@[x"})
    assert (caught.value.code, caught.value.message) == ("settings.index", f"{where} has a URL that cannot be read")


def test_find_links_with_a_comma(tmp_path: Path) -> None:
    links = (str(tmp_path / "a,b"), "https://host.example/a,b/", "/plain")
    told = access_environment(IndexAccess(find_links=links))["UV_FIND_LINKS"].split(",")
    assert told == [tmp_path.as_uri() + "/a%2Cb", "https://host.example/a%2Cb/", "/plain"]
