"""Hostile files: bounded time and memory, one clear error, nothing executed."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import craft
import pytest

from envtool.torch.archive import ModelError, read_model, read_row


def saved(path: Path, pickled: bytes) -> Path:
    return craft.write_zip(path, {"data.pkl": pickled})


def test_zip_bomb_in_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data.pkl", "w") as entry:
        for _ in range(200):
            entry.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(ModelError, match=r"data\.pkl has 209715200 bytes") as caught:
        read_model(path)
    assert caught.value.code == "model.limit"


def test_zip_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(80 * 2**20))
    size = (80 * 2**20).to_bytes(4, "little")
    path = tmp_path / "bomb.pt"
    path.write_bytes(raw.getvalue().replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(ModelError):
        read_model(path)


def test_sparse_file_of_ten_gigabytes(tmp_path: Path) -> None:
    for head in (b"", b"PK\x03\x04", b"\x80\x02B\xff\xff\xff\x7f", b"\x80\x04\x8e" + (2**40).to_bytes(8, "little")):
        path = tmp_path / "sparse.pt"
        with path.open("wb") as file:
            file.write(head)
            file.truncate(10 * 2**30)
        start = time.process_time()
        assert read_row(path, "sparse.pt").verdict == "unknown"
        assert time.process_time() - start < 5
        path.unlink()


def test_forged_directory_size_is_not_allocated(tmp_path: Path) -> None:
    path = tmp_path / "forged.pt"
    end = b"PK\x05\x06" + bytes(4) + b"\x01\x00\x01\x00" + (2**31).to_bytes(4, "little") + bytes(6)
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(2**31 + 4)
        file.seek(0, os.SEEK_END)
        file.write(end)
    tracemalloc.start()
    row = read_row(path, "forged.pt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert row.kind == "unreadable"
    assert peak < 100 * 2**20


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
        b"\x80\x02)" + b"\x85" * 300_000 + b".",
        b"\x80\x02]" + b"]a" * 100_000 + b".",
        b"\x80\x02" + craft.text("x") + b"r\xff\xff\xff\xff" + b"j\xff\xff\xff\xff" + b".",
        b"\x80\x02K\x01q\x00" + b"h\x00h\x00\x86q\x00" * 50_000 + b".",
    ],
    ids=["marks", "tuples", "lists", "memo-index", "doubling"],
)
def test_deep_or_doubling_pickles_are_read(tmp_path: Path, pickled: bytes) -> None:
    start = time.process_time()
    assert read_model(saved(tmp_path / "deep.pt", pickled)).verdict == "cpu"
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02R.",
        b"\x80\x02h\x07.",
        b"\x80\x02t.",
        b"\x80\x02u.",
        b"\x80\x02K\x01K\x01s.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02cbroken.",
        b"\x80\x02\xff.",
        b"I99999999999999999999x\n.",
    ],
)
def test_damaged_pickles(tmp_path: Path, pickled: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        read_model(saved(tmp_path / "bad.pt", pickled))
    assert caught.value.code == "model.damaged"


def test_too_many_opcodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envtool.torch.archive.limits.MAX_OPCODES", 10_000)
    with pytest.raises(ModelError, match="more than 10000 pickle opcodes"):
        read_model(saved(tmp_path / "long.pt", b"\x80\x02" + b"N0" * 20_000 + b"N."))


def test_time_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envtool.torch.archive.limits.MAX_SECONDS", -1.0)
    with pytest.raises(ModelError, match="took more than"):
        read_model(craft.checkpoint(tmp_path / "a.pt", "cpu"))


@pytest.mark.parametrize(
    "code",
    [
        "x = " + "(" * 5000 + ")" * 5000 + '\ny = torch.device("cuda:0")\n',
        "x = " + "-" * 100_000 + '1\ny = torch.device("cuda:0")\n',
        "x = " + "1+" * 100_000 + '1\ny = torch.device("cuda:0")\n',
        "x = a" + ".b" * 100_000 + '\ny = torch.device("cuda:0")\n',
        "x = " + "not " * 50_000 + 'x\ny = torch.device("cuda:0")\n',
        "x = (\n" + "1+\n" * 60_000 + '1)\ny = torch.device("cuda:0")\n',
        'if x:\n  y = = torch.device("cuda:0")\n',
        '\x00 torch.device("cuda:0")\n',
    ],
    ids=["brackets", "signs", "sums", "attributes", "negations", "lines", "no syntax", "a NUL"],
)
def test_source_that_nests_or_does_not_parse_is_searched(tmp_path: Path, code: str) -> None:
    row = read_model(craft.torchscript(tmp_path / "m.jit", "cpu", code=code))
    assert (row.verdict, row.constants[0].device) == ("never", "cuda:0")


@pytest.mark.parametrize(
    "deep", ["(" * 95 + ")" * 95, "-" * 300 + "1", "a" * 300_000], ids=["brackets", "signs", "long"]
)
def test_deep_source_is_not_given_to_the_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: str) -> None:
    def parse(text: str) -> None:
        raise AssertionError(len(text))

    monkeypatch.setattr("envtool.torch.archive.code.ast.parse", parse)
    code = f'x = {deep}\ny = torch.device("cuda:0")\n'
    row = read_model(craft.torchscript(tmp_path / "m.jit", "cpu", code=code))
    assert (row.verdict, row.notes) == (
        "never",
        ("source that is not plain Python was searched by pattern: code/__torch__.py",),
    )


def test_deep_json(tmp_path: Path) -> None:
    path = craft.write_zip(tmp_path / "m.pt2", {"archive_format": b"pt2", "models/model.json": b"[" * 200_000})
    with pytest.raises(ModelError, match="not valid JSON"):
        read_model(path)


def test_names_that_leave_the_archive_are_noted_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", craft.state_dict())
        archive.writestr("a/../../evil.py", b"x")
    row = read_model(path)
    assert row.notes == ("entry names point outside of the archive: never unpack it",)
    assert [item.name for item in tmp_path.iterdir()] == ["m.pt"]


def test_truncation_at_every_length(tmp_path: Path) -> None:
    whole = craft.checkpoint(tmp_path / "whole.pt", "cpu", "cuda:0").read_bytes()
    old = craft.legacy(tmp_path / "old.pt", "cpu", "cuda:0").read_bytes()
    path = tmp_path / "cut.pt"
    for data in (whole, old):
        for length in range(len(data)):
            path.write_bytes(data[:length])
            row = read_row(path, "cut.pt")
            assert row.verdict == "unknown", length
            assert row.kind in ("unreadable", "not-a-model", "pickle")


def mutate(data: bytes, source: random.Random) -> bytes:
    """A few random bytes changed, inserted, removed or repeated."""
    out = bytearray(data)
    for _ in range(source.randint(1, 8)):
        at = source.randrange(len(out) or 1)
        match source.randrange(4):
            case 0:
                out[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                del out[at : at + source.randint(1, 16)]
            case 2:
                out[at:at] = source.randbytes(source.randint(1, 8))
            case _:
                out[at:at] = out[at : at + source.randint(1, 64)]
    return bytes(out)


def mutate_inside(data: bytes, source: random.Random) -> bytes:
    """One entry of a zip mutated, in a zip that is whole; anything else as :func:`mutate` does."""
    if not data.startswith(b"PK"):
        return mutate(data, source)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        chosen = source.choice(names)
        for name in names:
            content = old.read(name)
            new.writestr(name, mutate(content, source) if name == chosen else content)
    return out.getvalue()


def test_entry_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"")
    path.write_bytes(path.read_bytes().replace(b"\x01\x00\x00\x00x", b"\x00\x00\x00\x00x"))
    assert read_row(path, "m.pt").verdict == "unknown"


def test_mutations_never_crash_or_hang(tmp_path: Path) -> None:
    seeds = [
        craft.checkpoint(tmp_path / "1", "cpu", "cuda:0").read_bytes(),
        craft.legacy(tmp_path / "2", "cpu", "cuda:0").read_bytes(),
        craft.torchscript(tmp_path / "3", "cuda:0", device="cpu", code='x = torch.device("cuda")\n').read_bytes(),
        craft.exported(tmp_path / "4", "cuda", 0).read_bytes(),
        craft.safetensors(
            tmp_path / "5", {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)
        ).read_bytes(),
        craft.state_dict("cpu", "cuda:0"),
    ]
    source = random.Random(20260213)
    path = tmp_path / "mutant.pt"
    for number in range(1500):
        change = mutate_inside if number % 3 else mutate
        path.write_bytes(change(seeds[number // 3 % len(seeds)], source))
        start = time.process_time()
        read_row(path, "mutant.pt")
        assert time.process_time() - start < 2, number


_AUDITED = """
import sys
from pathlib import Path
import envtool.torch.archive.exported, encodings.cp437, encodings.ascii
import encodings.raw_unicode_escape, encodings.unicode_escape
from envtool.torch.archive import read_row
read_row(Path(sys.argv[1]), "warm-up")
seen = []
sys.addaudithook(lambda event, args: seen.append((event, args)) if event.partition(".")[0] in
    ("import", "exec", "pickle", "subprocess", "os", "socket", "ctypes") and event != "os.listdir" else None)
for name in sys.argv[1:]:
    read_row(Path(name), name)
print(seen)
"""


def test_nothing_is_imported_or_executed(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    body = b"\x80\x02cposix\nsystem\n" + craft.text(f"touch {marker}") + b"\x85R0cbuiltins\nexec\n" + craft.text("1")
    evil = saved(tmp_path / "evil.pt", body + b"\x85R0(inot_a_module\nThing\n.")
    files = [
        craft.torchscript(tmp_path / "m.jit", "cuda:0", code='import not_there\ntorch.device("cuda")\n'),
        evil,
        craft.legacy(tmp_path / "old.pt", "cpu"),
        craft.checkpoint(tmp_path / "a.pt", "cpu"),
        craft.exported(tmp_path / "m.pt2", "cuda", 0),
    ]
    done = subprocess.run(
        [sys.executable, "-c", _AUDITED, *map(str, files)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
    )
    assert done.stdout == "[]\n"
    assert not marker.exists()
