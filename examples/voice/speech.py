"""Where speech is in a recording, by silero-vad's TorchScript model."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import torch

RATE = 16_000
WINDOW = 512


def read_wav(path: Path) -> np.ndarray:
    """A 16-bit WAV as mono floats at 16 kHz."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
        samples = samples.reshape(-1, file.getnchannels()).mean(axis=1)
        seconds = len(samples) / file.getframerate()
    times = np.arange(int(seconds * RATE)) / RATE
    return np.interp(times, np.linspace(0, seconds, len(samples), endpoint=False), samples).astype(np.float32)


def find_speech(model_path: Path, samples: np.ndarray, threshold: float = 0.5) -> list[tuple[float, float]]:
    """(start, end) of speech in seconds; pauses under half a second do not end it."""
    model = torch.jit.load(str(model_path), map_location="cpu").eval()
    model.reset_states()
    found: list[tuple[float, float]] = []
    for position in range(0, len(samples) - WINDOW + 1, WINDOW):
        window = torch.from_numpy(samples[position : position + WINDOW])
        with torch.no_grad():
            likely = model(window.unsqueeze(0), RATE).cpu().numpy().item() > threshold
        if likely:
            start, end = position / RATE, (position + WINDOW) / RATE
            if found and start - found[-1][1] < 0.5:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    return found
