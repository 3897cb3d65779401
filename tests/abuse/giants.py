"""Files as large as they come: sparse where that will do, so that making them costs little.

Every maker takes a folder of a run and a size in bytes, and fills the folder.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from hndoctor.formats.containers import legacy_parts, safetensors_parts, zip_parts
from hndoctor.formats.losslog import HEADER
from hndoctor.vitals.stored import MOST_OBJECTS
from tests.abuse.corpus import chunk, png
from tests.cli.conftest import write_network
from tests.formats.makers import forge

MAGIC_PNG = b"\x89PNG\r\n\x1a\n"


def write(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Parts one after another; long stretches of zeros become holes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for part in parts:
            if len(part) > 1 << 20 and not any(part[:64]) and not np.frombuffer(part, np.uint8).any():
                file.seek(len(part), 1)
            else:
                file.write(part)
        file.truncate(file.tell())


def root(size: int) -> dict[object, object]:
    """A hypernetwork of one pair of modules of so many bytes together, all zeros."""
    width = max(8, int((size / 4 / 4) ** 0.5))  # two matrices of width x 2 width in each of two modules
    wide, narrow = np.zeros((2 * width, width), np.float32), np.zeros((width, 2 * width), np.float32)
    module = {"linear.0.weight": wide, "linear.1.weight": narrow}
    return {width: (module, dict(module)), "step": 499, "name": "giant", "layer_structure": [1.0, 2.0, 1.0]}


def apart(size: int) -> dict[object, object]:
    """The same bytes in networks of the usual widths' kind: many matrices, none of them large."""
    count = max(1, size // (8 * 1024 * 1024 * 4))
    pairs: dict[object, object] = {}
    for number in range(count):
        module = {"linear.0.weight": np.zeros((2048, 1024), np.float32)}
        module["linear.1.weight"] = np.zeros((1024, 2048), np.float32)
        pairs[1024 + number] = (module, dict(module))
    return {**pairs, "step": 499, "name": "giant", "layer_structure": [1.0, 2.0, 1.0]}


def _network(run: Path) -> Path:
    return run / "hypernetworks" / "giant-500.pt"


def _run(run: Path) -> None:
    """What makes a folder a run whose files may be of other kinds than .pt."""
    write(run / "run.json", [b"{}"])


def zipped(run: Path, size: int) -> None:
    write(_network(run), zip_parts(root(size)))


def many_matrices(run: Path, size: int) -> None:
    write(_network(run), zip_parts(apart(size)))


def four_of_them(run: Path, size: int) -> None:
    """A series, so that the ones before are kept for comparison; a quarter of the size each."""
    for step in (500, 1000, 1500, 2000):
        write(run / "hypernetworks" / f"giant-{step}.pt", zip_parts(apart(size // 4)))


def legacy(run: Path, size: int) -> None:
    write(_network(run), legacy_parts(root(size)))


def flat(run: Path, size: int) -> None:
    _run(run)
    tensors = {f"{n}.weight": np.zeros((1024, 1024), np.float32) for n in range(max(1, size >> 22))}
    write(_network(run).with_suffix(".safetensors"), safetensors_parts(tensors, {}))


def flat_odd(run: Path, size: int) -> None:
    """Numbers that begin at an odd byte, and must be copied to be aligned; of a kind that must be unpacked."""
    _run(run)
    for step, kind, width in ((500, "F32", 4), (1000, "BF16", 2), (1500, "F8_E4M3", 1)):
        count = size // 4 // width
        entry = {"dtype": kind, "shape": [count], "data_offsets": [0, count * width]}
        header = json.dumps({"a": entry}).encode()
        header += b" " * (1 - len(header) % 2)
        path = run / "hypernetworks" / f"giant-{step}.safetensors"
        write(path, [struct.pack("<Q", len(header)), header, bytes(count * width)])


def flat_header(run: Path, size: int) -> None:
    """A header as long as the reference reader allows, and one as long as ours, of as many things as fit."""
    _run(run)
    for step, length in ((500, min(size, 100_000_000)), (1000, 8 << 20)):
        header = b'{"a":[' + b"[]," * ((length - 10) // 3) + b"[]]}"
        path = run / "hypernetworks" / f"giant-{step}.safetensors"
        write(path, [struct.pack("<Q", len(header)), header])


def bomb(run: Path, size: int) -> None:
    """A few kilobytes that unpack to the size: the pickle of one, the numbers of another."""
    pickle = b"\x80\x02}q\x00."
    for step, names in ((500, ("data.pkl",)), (1000, ("data/0",)), (1500, tuple(f"data/{n}" for n in range(8)))):
        members = [("archive/version", b"3\n")]
        if "data.pkl" not in names:
            members.append(("archive/data.pkl", pickle))
        body = _deflated(size // len(names))
        say = {"method": 8, "size": size // len(names), "crc": 1}
        members += [(f"archive/{name}", body, say) for name in names]  # type: ignore[misc]  # a third field is optional
        path = run / "hypernetworks" / f"giant-{step}.pt"
        write(path, [forge(members)])


def _deflated(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)  # needs nothing of before: it repeats
    return block * (size >> 20) + b"\x03\0"


def pickles(run: Path, size: int) -> None:
    """Pickles of the size: one text; many small values; the same list made into dictionaries over and over."""
    texts = b"\x80\x02X" + struct.pack("<I", size) + bytes(size) + b"."
    sets = b"\x80\x04](" + b"(" + b"\x8f" * 150_000 + b"l" * 1 + b"\x8f" * 40_000 + b"e."
    line = b"\x80\x02U\xff" + b"a" * 255
    rows = b"\x80\x02](" + b"".join([b"U\xff" + b"a" * 255] * (min(size, 60 << 20) // 257)) + b"e."
    for step, body in ((500, texts), (1000, sets), (1500, rows), (2000, line * 60_000 + b".")):
        write(run / "hypernetworks" / f"giant-{step}.pt", [body])
        write(run / "hypernetworks" / f"giant-{step}.pt.optim", [body])


def wide(run: Path, size: int) -> None:
    """A small file that claims the widest contexts there are."""
    pairs = {(1 << 14) - n: ({"linear.0.weight": np.zeros((1, 1), np.float32)},) * 2 for n in range(60)}
    for step, shift in ((500, 0), (1000, 1 << 19)):
        shifted = {width + shift: pair for width, pair in pairs.items()}
        write(run / "hypernetworks" / f"giant-{step}.pt", zip_parts({**shifted, "step": step - 1, "name": "giant"}))


def state(run: Path, size: int) -> None:
    """An optimizer state of the size beside a small network."""
    write_network(_network(run), 500)
    count = size // 8
    moments = {"step": 3.0, "exp_avg": np.zeros(count, np.float32), "exp_avg_sq": np.zeros(count, np.float32)}
    group = {"lr": 1e-5, "betas": (0.9, 0.999), "eps": 1e-8, "params": [0]}
    told = {"hash": "0" * 10, "optimizer_state_dict": {"state": {0: moments}, "param_groups": [group]}}
    write(run / "hypernetworks" / "giant-500.pt.optim", zip_parts(told))


def nothing(run: Path, size: int) -> None:
    """Zeros, which a full disk leaves."""
    write(_network(run), [bytes(size)])


def losses(run: Path, size: int) -> None:
    """A row for each of so many steps, within what is read; and a log of the whole size."""
    write_network(_network(run), 500)
    rows = min(size // 100, 10_000_000)
    for name, count in (("a", rows), ("b", size)):
        folder = run.with_name(f"{run.name}-{name}")
        write_network(folder / "hypernetworks" / "giant-500.pt", 500)
        with (folder / "hypernetwork_loss.csv").open("wb") as file:
            if name == "b":
                file.truncate(count)
                continue
            file.write(",".join(("step", "loss")).encode() + b"\n")
            for start in range(0, count, 100_000):
                file.write(b"".join(b"%d,1\n" % step for step in range(start, min(count, start + 100_000))))
                if file.tell() > (64 << 20) - (1 << 21):
                    break


def long_line(run: Path, size: int) -> None:
    """One line of so many cells, and one of quotation marks."""
    write_network(_network(run), 500)
    write(run / "hypernetwork_loss.csv", [",".join(HEADER).encode(), b"," * min(size, 60 << 20)])


def previews(run: Path, size: int) -> None:
    """Pictures as large as are measured, of several kinds; larger ones; texts and EXIF of megabytes."""
    from PIL import Image

    write_network(_network(run), 500)
    folder = run / "images"
    folder.mkdir()
    side = 4096 if size > 1 << 28 else 2500
    rng = np.random.default_rng(0)
    for step, mode in enumerate(("RGB", "RGBA", "I;16", "L", "P"), 1):
        noise = rng.integers(0, 255, (side, side, len(mode) if mode in ("RGB", "RGBA") else 1), dtype=np.uint8)
        if mode == "I;16":
            Image.fromarray(noise[:, :, 0].astype(np.uint16) * 257).save(folder / f"giant-{step}.png", compress_level=0)
        else:
            picture = Image.fromarray(noise.squeeze())
            (picture if mode != "P" else picture.convert("P")).save(folder / f"giant-{step}.png", compress_level=0)
            if mode == "RGB":
                picture.save(folder / "giant-60.jpg", quality=95, progressive=True)
                picture.save(folder / "giant-61.bmp")
    whole = (folder / "giant-4.png").read_bytes()
    text = chunk(b"tEXt", b"parameters\0" + b"a, " * (min(size, 60 << 20) // 3))
    (folder / "giant-70.png").write_bytes(whole[:33] + text + whole[33:])
    (folder / "giant-71.png").write_bytes(whole[:33] + chunk(b"eXIf", bytes(min(size, 60 << 20))) + whole[33:])
    (folder / "giant-72.png").write_bytes(png(4_000_000_000, 4_000_000_000, zlib.compress(bytes(64 << 20), 9)))
    write(folder / "giant-73.png", [whole, bytes(size)])
    write(folder / "giant-74.webp", [b"RIFF" + struct.pack("<I", size - 8) + b"WEBPVP8X", bytes(size - 20)])


def records(run: Path, size: int) -> None:
    """Settings, validations and a run's record of the size, and as large as are read."""
    write_network(_network(run), 500)
    whole = min(size, 8 << 20)
    names = ("run.json", "settings-2022-11-11-11-11-11.json", "settings-2022-11-11-11-11-12.json")
    objects = b'{"a":[' + b"{}," * (whole // 3 - 9) + b"{}]}"
    for name, body in zip(names, (b"[" * whole, objects, b"0" * 9), strict=True):
        write(run / name, [body])
    write(run / "settings-2022-11-11-11-11-13.json", [b"0", bytes(size)])
    point = b'{"step":1,"held_out":1,"held_out_base":1,"items":[' + b"1," * 4000 + b"1]}\n"
    write(run / "validation.jsonl", [point * (whole // len(point))])


ROWS = {
    "losses": b'{"step":%d,"loss":1},',
    "previews": b'{"path":"","step":%d},',
    "validation": b'{"step":%d,"held_out":1,"held_out_base":1,"items":[1,1,1,1,1,1,1,1,1,1]},',
    "skipped": b'{"what":"%d","why":""},',
    "unreadable": b'{"path":"%d","step":1,"kind":"damaged","reason":""},',
}


def forged(run: Path, size: int, name: str) -> None:
    """Measurements that nobody took, as many as are read, of one kind."""
    rows = b"".join(ROWS[name] % step for step in range(min(MOST_OBJECTS - 1, size // 100)))[:-1]
    head = b'{"schema":1,"run":"a","name":"a","%s":[' % name.encode()
    write(run / "vitals.json", [head, rows, b"]}"])


def forged_whole(run: Path, size: int) -> None:
    """The same of the whole size."""
    write(run / "vitals.json", [b'{"schema":1,"run":"a","name":"a","losses":[', b"0" * size, b"]}"])


def small_files(run: Path, size: int) -> None:
    """As many files as a folder may be left with: a file for each ten kilobytes of the size, all of them previews."""
    write_network(_network(run), 500)
    for folder in (run / "images", run / "hypernetworks"):
        folder.mkdir(exist_ok=True)
        for number in range(size // 20_000):
            (folder / f"giant-{number}.{'png' if folder.name == 'images' else 'pt'}").touch()


GIANTS: Mapping[str, Callable[[Path, int], None]] = MappingProxyType(
    {
        "zip": zipped,
        "many-matrices": many_matrices,
        "series": four_of_them,
        "legacy": legacy,
        "safetensors": flat,
        "unaligned": flat_odd,
        "header": flat_header,
        "bomb": bomb,
        "pickle": pickles,
        "wide": wide,
        "optim": state,
        "zeros": nothing,
        "losses": losses,
        "long-line": long_line,
        "previews": previews,
        "records": records,
        "vitals": forged_whole,
        **{f"vitals-{name}": partial(forged, name=name) for name in ROWS},
        "small-files": small_files,
    }
)
"""Every kind by its name."""


def data_set(folder: Path, size: int) -> Path:
    """Training pictures as large as are measured, captions and a template of the size; returns a configuration."""
    from PIL import Image

    folder.mkdir(parents=True)
    side = 6300 if size > 1 << 28 else 2500
    for mode in ("RGB", "RGBA", "L", "P", "CMYK", "I;16"):
        suffix = "jpg" if mode == "CMYK" else "png"
        Image.new(mode, (side, side)).save(folder / f"{mode.replace(';', '')}.{suffix}")
    Image.new("RGB", (64, 64)).save(folder / "a.png")
    Image.new("RGB", (64, 64)).save(folder / "b.png")
    write(folder / "a.txt", [b"a, " * (min(size, 64 << 10) // 3)])
    write(folder / "b.txt", [b"b", bytes(size)])
    write(folder / "c.png", [png(20_000, 20_000, zlib.compress(bytes(1 << 20), 9)), bytes(size)])
    write(folder.parent / "template.txt", [b"[filewords]", bytes(size)])
    config = folder.parent / "config.toml"
    told = f'template = "{folder.parent / "template.txt"}"\nlayer_structure = [1, 1e9, 1]\n'
    config.write_text(told, encoding="utf-8")
    return config
