"""Variables in shell text: what they expand to, and which commands set them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envtool.audit.install.lex import Command

_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}|\$\((\w+)\)|\$(?:env:)?(\w+)|%(\w+)%|\$\{\{\s*env\.(\w+)\s*\}\}")
ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)=(.*)$", re.S)
PIP = re.compile(r"^(pip[\d.]*|\$[({]?\w*PIP\d?[)}]?)$", re.I)


def expand(text: str, environment: Mapping[str, str]) -> str:
    """A text with the variables of ``environment``; ``${X:-default}`` gives its default, an unknown one stays."""

    def value(match: re.Match[str]) -> str:
        name = next(match.group(group) for group in (1, 3, 4, 5, 6) if match.group(group)) if match.lastindex else ""
        if name in environment:
            return environment[name]
        return match.group(2) if match.group(2) else match.group()

    for _ in range(3):
        expanded = _VARIABLE.sub(value, text)
        if expanded == text:
            break
        text = expanded
    return text


def assignments(command: Command, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that a command sets for those after it: ``X=y``, ``export``, ``set``, ``$env:X =``, ``pip config``."""
    texts = [word.text for word in command.words]
    if not texts:
        return {}
    if texts[0].lower() in ("export", "set", "setx", "declare", "local", "readonly"):
        texts = texts[1:]
    elif texts[0].startswith("$env:"):
        joined = "".join(texts)[len("$env:") :]
        texts = [joined]
    elif texts[0] in ("echo", "printf") and any("GITHUB_ENV" in text for text in texts):
        texts = texts[1:2]
    elif PIP.match(base_name(texts[0])) and texts[1:3] == ["config", "set"] and len(texts) >= 5:
        option = texts[-2].rsplit(".", 1)[-1]
        return {"PIP_" + option.upper().replace("-", "_"): expand(texts[-1], environment)}
    found: dict[str, str] = {}
    for text in texts:
        match = ASSIGNMENT.match(text)
        if match is None:
            return found if found and text.startswith((">", "-", "|")) else {}
        found[match.group(1)] = expand(match.group(2), environment)
    return found


def base_name(text: str) -> str:
    """The name of a program without its folder and suffix."""
    return re.sub(r"\.(exe|cmd|bat)$", "", text.strip("\"'@").replace("\\", "/").rsplit("/", 1)[-1], flags=re.I)
