"""What a team does about each rule, in a few words, and the advice that goes with the perspectives."""

from __future__ import annotations

MITIGATIONS: dict[str, str] = {
    "CPU101": "use `.to(device)`, with the device chosen once",
    "CPU102": "pass a device variable that is chosen once",
    "CPU103": "set the default device only behind `torch.cuda.is_available()`",
    "CPU104": "use `dtype=` and `device=` instead of CUDA tensor types",
    "CPU105": "ask CUDA only behind `torch.cuda.is_available()`",
    "CPU106": "change CUDA's state only behind `torch.cuda.is_available()`",
    "CPU107": "use streams, events and CUDA generators only behind a guard",
    "CPU108": 'load checkpoints with `map_location="cpu"`',
    "CPU109": 'load TorchScript with `map_location="cpu"`',
    "CPU110": "give `torch.jit.load` a string as map_location",
    "CPU111": 'load with `map_location="cpu"`, not with a CUDA device',
    "CPU112": "load each file by the function for its kind",
    "CPU113": 'pass `map_location="cpu"` to load_pickle',
    "CPU114": "ship the model's files instead of fetching them at run time",
    "CPU115": "give autocast the device that is in use",
    "CPU116": "pin memory only behind `torch.cuda.is_available()`",
    "CPU117": "use gloo where NCCL is not built in",
    "CPU118": "make the GPU package an optional import",
    "CPU119": "build a CppExtension where there is no CUDA toolkit",
    "CPU120": "read CUDA's version and internals only if they are there",
    "CPU121": "set the device in the configuration to cpu",
    "CPU122": "make the default device depend on what is there",
    "CPU123": "leave out the options that need a GPU",
    "CPU124": "tie fp16 and GPU options of the trainer to what is there",
    "CPU125": "do not divide by a number of GPUs that may be zero",
    "CPU126": "fall back to the CPU instead of refusing to run",
    "CPU201": "load a saved TorchScript file instead of compiling in the entry script or runtime hook",
    "CPU202": "collect the module with its source (`module_collection_mode`)",
    "CPU203": "remove `PYTORCH_JIT=0`",
    "CPU204": "remove the patch of `_construct` and its cause",
    "CPU205": "do not call `torch.compile` in the frozen app",
    "CPU206": "do not compile what is TorchScript already",
    "CPU207": "log why torch did not start instead of passing over it",
    "CPU208": "plan the move from TorchScript to `torch.export`",
    "CPU211": "leave the harmless hidden imports, and never exclude them",
    "CPU212": "do not exclude what torch imports",
    "CPU213": "take `collect_submodules` of torch out of the spec",
    "CPU214": "take dead hidden imports out of the spec",
    "CPU215": "take CUDA libraries out of the spec",
    "CPU216": "keep `torch_shm_manager` when torch/bin is left out",
    "CPU217": "set `strip=False` and strip libtorch alone",
    "CPU218": "collect torch with its source (`pyz+py`)",
    "CPU219": "give the runtime hook's path by `SPECPATH`",
    "CPU301": "route torch to the CPU index: `envtool setup --cpu`",
    "CPU302": "pin the public version and route it at install time",
    "CPU303": "require the CPU build, and GPU packages only in an extra",
    "CPU304": "take index lines out of requirements files",
    "CPU305": "point the source of torch at the CPU index",
    "CPU306": "take torchvision and torchaudio from where torch comes from",
    "CPU401": "start from a CPU base image, without GPU devices",
    "CPU402": "give install commands the CPU index, or run `envtool setup --cpu`",
    "CPU403": "install the CPU build in the CPU image",
    "CPU501": 'load the file with `map_location="cpu"`, or rewrite it: `envtool model --rewrite`',
    "CPU502": "export the model again on a CPU",
    "CPU503": "export the model again on a CPU",
    "CPU504": "load the file by the function for its kind",
    "CPU505": "export the model again on a CPU",
}
"""By code: an imperative, in words that a summary table can hold; backticks mark code."""

_ALWAYS_DO = (
    "Set up by `envtool setup --cpu`: one lock for everyone, and `.venv` is switched only when the checks pass.",
    "Choose the device once, by `torch.cuda.is_available()`, and pass it on.",
)
_ALWAYS_DONT = (
    "Don't put index lines or `+cpu` pins into requirements files: they decide for everyone who installs from them.",
    "Don't take a False from `torch.cuda.is_available()` as proof of a CPU-only build: `envtool verify` is one.",
)
_DO = {
    "CPU1": ('Load every model file with `map_location="cpu"` or the chosen device.',),
    "CPU2": ("Build by `envtool bundle`: it starts the built app where there is no Python, and says what failed.",),
    "CPU3": ("Commit `lockfiles/`, and let CI fail on a stale lock: `envtool lock --check`.",),
    "CPU4": ("Let every image and job install from the lock: `envtool setup --cpu --frozen`.",),
    "CPU5": ("Check new model files before they are shipped: `envtool model models/`.",),
}
_DONT = {
    "CPU1": ("Don't catch RuntimeError around `.cuda()`: a CPU-only build raises AssertionError.",),
    "CPU2": (
        "Don't exclude `torch.cuda`, `torch.backends.cuda` or `torch.backends.cudnn`: torch always imports them.",
        "Don't set `PYTORCH_JIT=0`: `torch.jit.load` dies of it.",
    ),
    "CPU3": ("Don't install torchvision or torchaudio from another index than torch.",),
    "CPU4": ("Don't give pip the CPU index as an extra index: whichever has the higher version wins.",),
    "CPU5": ("Don't trust `map_location` for a device that is written into a model's code: export it again.",),
}


def advice(prefixes: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Do and don't for a project that has something of these perspectives (prefixes of codes)."""
    do = [*_ALWAYS_DO, *(line for prefix, lines in _DO.items() if prefix in prefixes for line in lines)]
    dont = [*_ALWAYS_DONT, *(line for prefix, lines in _DONT.items() if prefix in prefixes for line in lines)]
    return tuple(do), tuple(dont)
