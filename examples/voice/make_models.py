"""Make models/: silero-vad's model from its package, a punctuation model trained here, and a sample by espeak-ng."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import torch
from punctuation import BUCKETS, MARKS, word_ids

MODELS = Path(__file__).resolve().parent / "models"
SILERO = ("silero-vad==6.2.3", "e1122837f4154c511485fe0b9c64455f7b929c96fbb8d79fbdb336383ebd3720")
SENTENCES = """Hello world. How are you?|I am fine, thank you.|What is your name?|My name is Ada.
Well, this is a test.|Where do you live?|I live in the old town.|Yes, please. Thank you.|Is it raining?
It is raining, but I will go.|When does the train leave?|The train leaves at noon.|No, not today.
First we read, then we write.|Who wrote this letter?|Nobody knows.|Good morning. Did you sleep well?
Please open the window.|If you can, come early.|Why not?"""
SAMPLE = "Hello world. How are you?"


class Marks(torch.nn.Module):
    """A mark after each word, by the words around it."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(BUCKETS, 24)
        self.around = torch.nn.Conv1d(24, 32, 5, padding=2)
        self.marks = torch.nn.Linear(32, len(MARKS))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(1, words) to (1, words, marks)."""
        return self.marks(torch.relu(self.around(self.words(ids).transpose(1, 2))).transpose(1, 2))


def lesson(text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A sentence as word numbers and marks."""
    words = text.split()
    marks = [MARKS.index(word[-1]) if word[-1] in MARKS else 0 for word in words]
    return word_ids([word.strip(",.?") for word in words]), torch.tensor(marks)


def make_punctuation(path: Path) -> None:
    """Train on the sentences above until each is right, and save as TorchScript."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Marks()
    lessons = [lesson(text.strip()) for line in SENTENCES.splitlines() for text in line.split("|")]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        worst = 0.0
        for ids, marks in lessons:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(ids)[0], marks)
            loss.backward()
            optimizer.step()
            worst = max(worst, loss.item())
        if worst < 0.05:
            break
    wrong = sum(int((model(ids)[0].argmax(-1) != marks).sum()) for ids, marks in lessons)
    if wrong:
        raise SystemExit(f"make_models: {wrong} marks were not learned")
    torch.jit.script(model.eval()).save(str(path))


def make_sample(path: Path, speaker: str) -> None:
    """A second of silence, speech, a second of silence; sample.json says where the speech is."""
    run([speaker, "-s", "140", "-w", str(path), SAMPLE])
    with wave.open(str(path)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 500)
    speech, silence = samples[loud[0] : loud[-1] + 1], np.zeros(rate, dtype="<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.concatenate([silence, speech, silence]).tobytes())
    words = [word.strip(",.?").lower() for word in SAMPLE.split()]
    truth = {"start": 1.0, "end": 1.0 + len(speech) / rate, "words": words, "text": SAMPLE}
    path.with_suffix(".json").write_text(json.dumps(truth), encoding="utf-8")


def fetch_silero(path: Path) -> None:
    """The model alone, out of the package on the default index: its other dependencies are not needed."""
    with tempfile.TemporaryDirectory() as folder:
        run([*installer(Path(folder)), "install", "--quiet", "--no-deps", "--target", f"{folder}/package", SILERO[0]])
        content = Path(folder, "package", "silero_vad", "data", "silero_vad.jit").read_bytes()
    if hashlib.sha256(content).hexdigest() != SILERO[1]:
        raise SystemExit(f"make_models: silero_vad.jit of {SILERO[0]} is not the file that this example was made with")
    path.write_bytes(content)


def installer(folder: Path) -> list[str]:
    """uv where it is at hand; else pip in a throw-away environment, since this one may have none."""
    uv = shutil.which("uv")
    if uv:
        return [uv, "pip"]
    run([sys.executable, "-m", "venv", str(folder / "pip")])
    program = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    return [str(folder / "pip" / program), "-m", "pip"]


def run(command: list[str]) -> None:
    """Run a program; its own words on stderr are the explanation when it fails."""
    if subprocess.run(command, check=False).returncode != 0:
        raise SystemExit(f"make_models: failed: {' '.join(command)}")


if __name__ == "__main__":
    speaker = shutil.which("espeak-ng")
    if speaker is None:
        raise SystemExit("make_models: espeak-ng is missing: apt-get install espeak-ng, or brew install espeak-ng")
    MODELS.mkdir(exist_ok=True)
    make_punctuation(MODELS / "punctuation.pt")
    make_sample(MODELS / "sample.wav", speaker)
    fetch_silero(MODELS / "silero_vad.jit")
    print("made", ", ".join(sorted(path.name for path in MODELS.iterdir())))
