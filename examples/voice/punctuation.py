"""Punctuation by a small TorchScript model; without it the words come back plain, and a line says why."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import torch

MARKS = ("", ",", ".", "?")
BUCKETS = 2048


def word_ids(words: list[str]) -> torch.Tensor:
    """Words as stable numbers, one row."""
    return torch.tensor([[zlib.crc32(word.lower().encode()) % BUCKETS for word in words]])


class Punctuation:
    """The model, loaded and verified. ``working`` is False where it had to be left out."""

    def __init__(self, path: Path) -> None:
        self.model = None
        try:
            model = torch.jit.load(str(path), map_location="cpu").eval()
            self._verify(model)
            self.model = model
        except (OSError, RuntimeError, ValueError, AttributeError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            print(f"voice: punctuation is off: {lines[-1]}", file=sys.stderr)

    @property
    def working(self) -> bool:
        """Whether the model is in use."""
        return self.model is not None

    @staticmethod
    def _verify(model: torch.jit.ScriptModule) -> None:
        with torch.no_grad():
            scores = model(word_ids(["hello", "world"]))
        if scores.shape != (1, 2, len(MARKS)) or not torch.isfinite(scores).all():
            raise ValueError(f"the model answers with {tuple(scores.shape)}, not (1, 2, {len(MARKS)})")

    def enhance(self, words: list[str]) -> str:
        """The words as punctuated text; plain where the model is off."""
        if self.model is None or not words:
            return " ".join(words)
        with torch.no_grad():
            labels = self.model(word_ids(words)).argmax(-1).cpu().numpy()[0]
        text, begins = [], True
        for word, label in zip(words, labels, strict=True):
            text.append((word.capitalize() if begins else word) + MARKS[label])
            begins = MARKS[label] in (".", "?")
        return " ".join(text)
