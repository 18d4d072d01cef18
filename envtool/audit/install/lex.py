"""Split shell text into simple commands, with the offsets of their words.

shlex gives no offsets, and bashlex is under the GPL; words are unquoted by shlex here, found by one pattern. Control
flow is kept as far as the audit needs it: the text of the conditions that a command stands under.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["sh", "docker", "folded", "exec", "powershell", "batch"]
"""``docker``: a comment inside a continued line is skipped; ``folded``: newlines of a YAML scalar are blanks;
``exec``: a JSON list of words."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word, unquoted, and where its raw text stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One simple command. ``condition`` is the text of the conditions, cases and functions around it."""

    words: tuple[Word, ...]
    condition: str = ""
    repeated: bool = False
    """One turn of a loop, whose other turns stand at the same place."""


_CONTINUATION = {"powershell": r"`[ \t]*\r?\n", "batch": r"\^[ \t]*\r?\n"}
_ESCAPE = {"powershell": r"`.", "batch": r"\^.|\\"}


def _pattern(dialect: Dialect) -> re.Pattern[str]:
    continued = _CONTINUATION.get(dialect, r"\\[ \t]*\r?\n")
    if dialect == "docker":
        # Docker drops comment lines (and empty ones) between the lines of one instruction.
        continued += r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*"
    newline = r"(?P<nl>(?!))" if dialect in ("folded", "exec") else r"(?P<nl>\r?\n)"
    comment = r"(?P<comment>(?:(?i:rem)\b|::)[^\n]*)" if dialect == "batch" else r"(?P<comment>\#[^\n]*)"
    escape = _ESCAPE.get(dialect, r"\\[^\r\n]")
    quotes = r"'[^']*'|\"(?:\\.|[^\"\\])*\""
    if dialect == "batch":
        quotes = r'"[^"\r\n]*"?'  # a quote ends with its line, and a backslash is one
    blank = {"folded": r"[ \t\r\n]", "exec": r"[][,\s]"}.get(dialect, r"[ \t\r]")
    plain = r"[^\s;&|()\"]" if dialect in ("powershell", "batch") else r"[^\s;&|()\"'`\\]"
    if dialect == "exec":
        plain = r"(?!)"  # every word is in quotes
    return re.compile(
        rf"(?P<ws>(?:{blank}|{continued})+)|{newline}|{comment}|(?P<op>&&|\|\||;;|[;&|()])"
        rf"|(?P<word>(?:\$\{{\{{[^\n]{{0,300}}?\}}\}}|\$\([^()\n]*\)|\$\{{[^}}\n]{{0,300}}\}}|`[^`\n]*`|{quotes}|{escape}|{plain})+)|(?P<other>.)",
        re.S,
    )


_PATTERNS: dict[Dialect, re.Pattern[str]] = {
    dialect: _pattern(dialect) for dialect in ("sh", "docker", "folded", "exec", "powershell", "batch")
}
_HEREDOC = re.compile(r"<<-?[ \t]*([\"']?)(\w+)\1")


def lex(text: str, start: int, end: int, dialect: Dialect = "sh", *, condition: str = "") -> Iterator[Command]:
    """The simple commands of ``text[start:end]``, in order; ``condition`` is one that all of them stand under."""
    pattern = _PATTERNS[dialect]
    scopes = _Scopes(condition) if dialect not in _BLOCKS else _Blocks(condition, *_BLOCKS[dialect])
    words: list[Word] = []
    at = start
    while at < end:
        match = pattern.match(text, at, end)
        if match is None:  # pragma: no cover - the last alternative takes any character
            break
        at = match.end()
        if match.lastgroup == "word":
            if len(words) >= _MOST:
                continue
            words.append(Word(_unquoted(match.group(), dialect), match.start(), match.end()))
        elif match.lastgroup in ("nl", "op"):
            yield from scopes.close(words, match.group())
            if match.lastgroup == "nl":
                heredoc = _HEREDOC.search(text, words[0].start if words else at, match.start()) if words else None
                if heredoc:
                    stop = re.compile(rf"^[ \t]*{re.escape(heredoc.group(2))}[ \t]*$", re.M).search(text, at, end)
                    at = min(stop.end() if stop else end, end)
            words = []
    yield from scopes.close(words, "\n")


_MOST = 5000
"""Words of a command; what comes after them belongs to no command that somebody wrote."""
_LONG = 4000
"""Characters of a word that is no word of a command: a script in quotes."""


def _unquoted(raw: str, dialect: Dialect) -> str:
    if dialect in ("powershell", "batch"):
        return raw.replace('"', "").replace("'", "") if dialect == "powershell" else raw.replace('"', "")
    if not any(mark in raw for mark in "\"'\\") or len(raw) > _LONG:
        return raw
    inner = raw[1:-1]
    if raw[0] == raw[-1] and raw[0] in "\"'" and not any(mark in inner for mark in "\"'\\"):
        return inner
    try:
        return "".join(shlex.split(raw, comments=False)) if " " not in raw else " ".join(shlex.split(raw))
    except ValueError:
        return raw


_OPENS = frozenset({"if", "while", "until", "for", "case", "select"})
_CLOSES = frozenset({"fi", "done", "esac"})
_SKIPPED = frozenset({"then", "do", "!", "time"})


class _Scopes:
    """The stack of conditions around a command, kept by its keywords."""

    def __init__(self, condition: str) -> None:
        self.outer = condition
        self.stack: list[str] = []
        self.pending = ""

    def close(self, words: list[Word], operator: str) -> Iterator[Command]:
        """Take one command up to its operator: update the stack, and give what is left to run."""
        texts = [word.text for word in words]
        if operator == "(" and len(words) == 1:
            self.pending = texts[0]  # a function's name, or an `if` of another shell
        rest = list(words)
        while rest and (taken := self._keyword(rest)):
            rest = rest[taken:]
        if operator == ")" and self.stack and self.stack[-1].startswith("case"):
            self.stack[-1] = f"{self.stack[-1].split(' :: ')[0]} :: {' '.join(texts)}"
        elif rest and rest[-1].text == "{":
            self.stack.append(" ".join(texts[:-1]))
        elif rest:
            yield Command(words=tuple(rest), condition=" / ".join(filter(None, [self.outer, *self.stack])))

    def _keyword(self, words: list[Word]) -> int:
        """Update the stack for a keyword at the start; how many words it takes, 0 if there is none."""
        head = words[0].text.lower()
        text = " ".join(word.text for word in words)
        if head in _OPENS:
            self.stack.append(text)
            return len(words) if head in ("case", "for", "select") else 1
        if head in ("elif", "elseif"):
            self._replace(text)
            return len(words)
        if head == "else":
            self._replace("else")
        elif head == "{":
            self.stack.append(self.pending)
            self.pending = ""
        elif head == "}" or head in _CLOSES:
            self._pop()
        elif head not in _SKIPPED:
            return 0
        return 1

    def _replace(self, text: str) -> None:
        if self.stack:
            self.stack[-1] = f"{self.stack[-1]} {text}"

    def _pop(self) -> None:
        if self.stack:
            self.stack.pop()


_BLOCKS: dict[Dialect, tuple[str, str]] = {"powershell": ("{", "}"), "batch": ("(", ")")}
"""What opens and closes a block after ``if``."""


class _Blocks(_Scopes):
    """The same for a shell whose blocks stand in brackets: no ``fi``, the bracket ends the condition."""

    def __init__(self, condition: str, opens: str, closes: str) -> None:
        super().__init__(condition)
        self.opens, self.closes = opens, closes
        self.head: list[str] = []
        self.last = ""

    def close(self, words: list[Word], operator: str) -> Iterator[Command]:
        """Take words up to an operator: of a brace among them, what is before it and what is after it."""
        part: list[Word] = []
        for word in words:
            if self.opens == "{" and (word.text == "}" or word.text.endswith("{")):
                yield from self._part(part, word.text[-1])
                part = []
            else:
                part.append(word)
        yield from self._part(part, operator)

    def _part(self, words: list[Word], operator: str) -> Iterator[Command]:
        """``head`` is a condition that its block has not followed yet."""
        texts = [word.text for word in words]
        first = texts[0].lower() if texts else ""
        if first in _HEADS:
            self.head = [*([self.last] if first.startswith("else") else []), *texts]
        elif self.head or operator == "{":
            self.head += texts
        elif words:
            yield self._command(words)
        if operator == self.opens:
            self.stack.append(" ".join(self.head))
            self.head = []
        elif operator == self.closes and not self.head:
            self.last = self.stack.pop() if self.stack else ""
        elif operator == "\n" and self.opens == "(" and self.head:
            self.head = []
            rest = words[_after_condition(texts) :] if first == "if" else []
            if rest:
                self.stack.append(" ".join(texts[: len(texts) - len(rest)]))
                yield self._command(rest)
                self.stack.pop()

    def _command(self, words: list[Word]) -> Command:
        return Command(words=tuple(words), condition=" / ".join(filter(None, [self.outer, *self.stack])))


def _after_condition(texts: list[str]) -> int:
    """Where the command of batch's ``if`` on one line begins."""
    at = 1
    while at < len(texts) and texts[at].lower() in ("not", "/i"):
        at += 1
    if at < len(texts) and texts[at].lower() in ("exist", "defined", "errorlevel"):
        return at + 2
    return at + (1 if at < len(texts) and re.search("==.", texts[at]) else 3)


_HEADS = frozenset({"if", "else", "elseif", "switch", "while", "for", "foreach", "function", "try", "catch", "finally"})
