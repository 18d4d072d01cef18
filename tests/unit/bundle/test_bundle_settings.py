"""``[tool.envtool.bundle]`` and sizes."""

from __future__ import annotations

import pytest

from envtool.bundle.models import BundleSettings
from envtool.bundle.settings import parse_size, read_bundle_settings
from envtool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("600MB", 600_000_000), ("0.5 GiB", 2**29), ("123B", 123), ("1kib", 1024), (" 7 b ", 7)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "600 megs", "-1MB", "0", "0.0GB", "1e9", "100", "0.5"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError) as caught:
        parse_size(text)
    assert caught.value.code == "bundle.size"


def test_nothing_set_is_the_default():
    assert read_bundle_settings({}) == BundleSettings()


def test_everything_set():
    table = {
        "smoke": "app --selftest",
        "max-size": "600MB",
        "on-failure": "continue",
        "start-check": False,
        "strip": True,
        "keep": ["torch.onnx"],
        "sources": ["app.scripted"],
    }
    assert read_bundle_settings(table) == BundleSettings(
        smoke="app --selftest",
        max_size=600_000_000,
        on_failure="continue",
        start_check=False,
        strip=True,
        keep=("torch.onnx",),
        sources=("app.scripted",),
    )


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"smoke": ""}, "settings.value"),
        ({"smoke": ["app"]}, "settings.value"),
        ({"on-failure": "ignore"}, "settings.value"),
        ({"max-size": True}, "settings.value"),
        ({"max-size": "big"}, "bundle.size"),
        ({"max-size": 600}, "bundle.size"),
        ({"start-check": "no"}, "settings.value"),
        ({"keep": "torch.onnx"}, "settings.value"),
        ({"keep": ["not a module"]}, "settings.value"),
    ],
)
def test_wrong_values(table, code):
    with pytest.raises(UsageError) as caught:
        read_bundle_settings(table)
    assert caught.value.code == code


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        read_bundle_settings({"on-fail": "exit"})
    assert caught.value.code == "settings.unknown-key"
    assert caught.value.hint == "Did you mean 'on-failure'?"
