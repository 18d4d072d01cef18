"""Voice typing on a CPU, from a file: where is speech in a WAV, and how is what was said punctuated?

voice recording.wav                    the positions of speech, in seconds
voice recording.wav --text "hello you"  and the punctuated text (a recogniser would give the words)
voice --selftest                       everything, on the sample that is built in
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from punctuation import Punctuation
from speech import find_speech, read_wav

ASSETS = Path(__file__).resolve().parent / "models"


def selftest() -> int:
    """Check the models on a sample whose truth is known by its making; 0 if all of it holds."""
    truth = json.loads((ASSETS / "sample.json").read_text(encoding="utf-8"))
    found = find_speech(ASSETS / "silero_vad.jit", read_wav(ASSETS / "sample.wav"))
    print(f"torch {torch.__version__}, frozen: {getattr(sys, 'frozen', False)}")
    print("speech:", "; ".join(f"{start:.2f} to {end:.2f} s" for start, end in found))
    placed = bool(found) and abs(found[0][0] - truth["start"]) < 0.3 and abs(found[-1][1] - truth["end"]) < 0.3
    punctuation = Punctuation(ASSETS / "punctuation.pt")
    text = punctuation.enhance(truth["words"])
    print("text:", text)
    checks = {"speech": placed, "punctuation": punctuation.working, "text": text == truth["text"]}
    for name, good in checks.items():
        print(f"{'ok' if good else 'FAILED'}: {name}")
    return 0 if all(checks.values()) else 1


def main() -> int:
    """Run the command line; 3 where the punctuation had to be left out."""
    parser = argparse.ArgumentParser(prog="voice", description=__doc__.splitlines()[0])
    parser.add_argument("wav", nargs="?", type=Path)
    parser.add_argument("--text", default="", help="the words that were said")
    parser.add_argument("--selftest", action="store_true")
    options = parser.parse_args()
    if not (ASSETS / "silero_vad.jit").is_file():
        parser.error(f"no models in {ASSETS}: make them with make_models.py")
    # The models are tiny: threads cost more than they bring (silero-vad is 20 times faster on one).
    torch.set_num_threads(1)
    if options.selftest:
        return selftest()
    if options.wav is None:
        parser.error("name a WAV file, or --selftest")
    for start, end in find_speech(ASSETS / "silero_vad.jit", read_wav(options.wav)):
        print(f"{start:.2f}\t{end:.2f}")
    if options.text:
        punctuation = Punctuation(ASSETS / "punctuation.pt")
        print(punctuation.enhance(options.text.split()))
        return 0 if punctuation.working else 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
