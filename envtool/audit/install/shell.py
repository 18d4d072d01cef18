"""Commands inside of commands: substitutions, and loops over words that are written down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from envtool.audit.install.lex import Command, Word, lex

_SUBSTITUTION = re.compile(r"(?<!\\)(?:\$\((?!\()([^()\n]*)\)|`([^`\n]*)`)")
_LOOP = re.compile(r"for (\w+) in (.+)")
_LITERAL = re.compile(r"[\w.,+=<>!~@:/\[\]-]+")
_MOST = 50
"""Turns of loops that are followed."""


def substitutions(text: str, command: Command) -> Iterator[Command]:
    """The commands in ``$(…)`` and backticks of a command's words, which run before it."""
    for word in command.words:
        if text[word.start] == "'":
            continue
        for match in _SUBSTITUTION.finditer(text, word.start, word.end):
            start, end = match.span(1 if match.group(1) is not None else 2)
            yield from lex(text, start, end, "sh", condition=command.condition)


def unrolled(command: Command) -> Iterator[Command]:
    """A command in a loop, once a word of the loop; as it is where it uses no such word, or the words are not known."""
    turns: list[Sequence[Word]] = [command.words]
    for part in command.condition.split(" / "):
        loop = _LOOP.fullmatch(part)
        values = loop.group(2).split() if loop else []
        if loop is None or len(values) * len(turns) > _MOST or not all(_LITERAL.fullmatch(value) for value in values):
            continue
        used = re.compile(rf"\$(?:{loop.group(1)}\b|\{{{loop.group(1)}\}})")
        if any(used.search(word.text) for word in command.words):
            # The values hold no backslash, which a replacement would read.
            turns = [
                [Word(used.sub(value, word.text), word.start, word.end) for word in words]
                for words in turns
                for value in values
            ]
    if len(turns) == 1 and turns[0] is command.words:
        yield command
        return
    for words in turns:
        yield replace(command, words=tuple(words), repeated=True)
