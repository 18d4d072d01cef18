"""The kinds of model that are zip archives: TorchScript, checkpoints, torch.package and pt2."""

from __future__ import annotations

import zipfile

from envtool.torch.archive.container import Archive
from envtool.torch.archive.exported import is_exported, read_exported
from envtool.torch.archive.facts import Kind, ModelFile
from envtool.torch.archive.gather import Gathered
from envtool.torch.archive.limits import MAX_CODE_BYTES, MAX_PICKLE_BYTES, Budget, ModelError, damaged
from envtool.torch.archive.pickles import scan_pickle
from envtool.torch.archive.symbols import PickleFacts
from envtool.torch.archive.verdict import judge

_PROTOCOLS = (2, 3, 4, 5)
# Where the storages of each pickle lie. traced_inputs.pkl is not among them: jit.load does not read it.
_SCRIPT_PICKLES = {"data": "data", "constants": "constants", "attributes": "tensors", "bytecode": "constants"}


def read_zip(archive: Archive, path: str, size: int, budget: Budget) -> ModelFile:
    """The model in an open archive. Raises ModelError when it is damaged or beyond a limit."""
    gathered = Gathered()
    gathered.notes += archive.odd_names()
    if is_exported(archive):
        return read_exported(archive, gathered, path, size, budget)
    if ".data/extern_modules" in archive or ".data/python_version" in archive:
        return _package(archive, gathered, path, size, budget)
    if "data.pkl" in archive:
        if "constants.pkl" in archive:
            return _torchscript(archive, gathered, path, size, budget)
        return _saved(archive, gathered, path, size, budget)
    if "model.json" in archive and any(True for _ in archive.named("", under="tensors/")):
        note = "TorchScript of PyTorch 1.0 or 1.1, which this reader does not know"
        return ModelFile(path=path, kind="torchscript", verdict="unknown", because=note, size=size)
    return ModelFile(
        path=path, kind="not-a-model", verdict="unknown", because=f"a zip archive {_content(archive)}", size=size
    )


def _content(archive: Archive) -> str:
    if not archive.entries:
        return "without any entry"
    inside = [info for suffix in (".pt", ".pth", ".ckpt", ".jit") for info in archive.named(suffix)]
    if inside:
        return f"that holds {len(inside)} model file(s): unpack it first"
    if next(archive.named(".npy"), None):
        return "of NumPy arrays (npz)"
    return "without data.pkl: torch did not write it"


def _scan(archive: Archive, info: zipfile.ZipInfo, budget: Budget) -> PickleFacts:
    return scan_pickle(archive.read(info, MAX_PICKLE_BYTES), budget)


def _torchscript(archive: Archive, gathered: Gathered, path: str, size: int, budget: Budget) -> ModelFile:
    held: dict[str, int] = {}
    for name, folder in _SCRIPT_PICKLES.items():
        for info in [info for info in archive.entries if archive.name(info) == f"{name}.pkl"]:
            facts = _scan(archive, info, budget)
            held[name] = len(facts.storages)
            gathered.add_pickle(f"{name}.pkl", folder, facts)
            if name == folder:
                _check_storages(archive, facts, folder)
    for info in archive.named(".py", under="code/"):
        gathered.add_code(archive.name(info), archive.read(info, MAX_CODE_BYTES))
    gathered.producer = _text(archive, "version", "file format {}")
    form = "scripted"
    if not held.get("data") and held.get("constants"):
        form = "frozen"
    elif "traced_inputs.pkl" in archive:
        form = "traced"
        gathered.inputs = _traced_inputs(archive, budget)
    return gathered.result(path, size, "torchscript", form)


def _traced_inputs(archive: Archive, budget: Budget) -> tuple[str, ...]:
    """The shapes of the example inputs; a loader does not need them, so a damaged record is no reason to give up."""
    try:
        return tuple(_scan(archive, archive.by_name["traced_inputs.pkl"], budget).shapes)
    except ModelError as error:
        if error.code == "model.limit":
            raise
        return ()


def _saved(archive: Archive, gathered: Gathered, path: str, size: int, budget: Budget) -> ModelFile:
    root: PickleFacts | None = None
    for info in [info for info in archive.entries if archive.name(info) == "data.pkl"]:
        root = _scan(archive, info, budget)
        gathered.add_pickle("data.pkl", "data", root)
        _check_storages(archive, root, "data")
    gathered.producer = _text(archive, "version", "file format {}")
    kind: Kind = "state-dict" if root is not None and root.is_state_dict else "checkpoint"
    return gathered.result(path, size, kind, "zip")


def _package(archive: Archive, gathered: Gathered, path: str, size: int, budget: Budget) -> ModelFile:
    script = Gathered()
    for info in archive.entries:
        name = archive.name(info)
        if name.endswith((".storage", ".debug_pkl")) or (name.startswith(".data/") and "/ts_code/" not in f"/{name}"):
            continue
        if name.endswith(".py"):
            target = script if name.startswith(".data/ts_code/code/") else gathered
            target.add_code(name, archive.read(info, MAX_CODE_BYTES))
        elif any(archive.starts_with(info, bytes((0x80, protocol))) for protocol in _PROTOCOLS):
            # Resources are pickles, text or bytes under names of the author's choice.
            try:
                gathered.add_pickle(name, ".data", _scan(archive, info, budget))
            except ModelError as error:
                if error.code == "model.limit" or name.endswith(".pkl"):
                    raise
    python = _text(archive, ".data/python_version", "Python {}")
    gathered.producer = ", ".join(filter(None, (python, _text(archive, ".data/version", "file format {}"))))
    result = gathered.result(path, size, "package")
    if script.code.constants:
        # TorchScript inside a package fails like TorchScript: its constants are out of reach.
        verdict, because = judge("torchscript", {}, constants=script.code.constants)
        fields = {name: getattr(result, name) for name in result.__dataclass_fields__}
        constants = (*script.code.constants, *result.constants)
        return ModelFile(**{**fields, "verdict": verdict, "because": because, "constants": constants})
    return result


def _check_storages(archive: Archive, facts: PickleFacts, folder: str) -> None:
    for key, storage in facts.storages.items():
        info = archive.by_name.get(f"{folder}/{key}")
        if info is None:
            raise damaged(f"the storage {folder}/{key} is missing: the archive is incomplete")
        if storage.itemsize and info.file_size < storage.numel * storage.itemsize:
            raise damaged(f"the storage {folder}/{key} is shorter than its tensor: the archive is incomplete")


def _text(archive: Archive, name: str, template: str) -> str:
    info = archive.by_name.get(name)
    if info is None or info.file_size > 64:
        return ""
    text = archive.read(info, 64).decode("ascii", "replace").strip()
    return template.format(text) if text.isprintable() and text else ""
