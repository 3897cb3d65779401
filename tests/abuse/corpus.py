"""A folder of everything that should not be in a folder of models; made here, each piece small."""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.cli.conftest import write_network
from tests.formats.makers import forge
from tests.formats.test_hostile import bombs, payloads, zips

# Pillow has Ghostscript draw it, which is another program, and PostScript a language that opens files
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(harm) (w) file closefile showpage\n%%EOF\n"
HARM = "harm"  # a file of this name appears anywhere only if something was executed
NAMES = (
    "new\nline",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "{{ 7*7 }}{% raw %}",
    "=cmd|' /C calc'!A0",
    "[bold red]rich[/]",
    "\x1b]0;title\x07\x1b[2J",
    "%s%n$(touch harm)`touch harm`;touch harm",
    "n" * 255,
    "\u00e9" * 127,
)


def make(root: Path) -> Path:
    """Fill `root`, an empty folder, and return it."""
    runs = root / "runs"
    pickles(runs / "pickles" / "hypernetworks", root / HARM)
    names(runs)
    pictures(runs / "pictures")
    logs(runs / "logs")
    forged_vitals(runs / "forged")
    settings(root)
    if os.name == "posix":
        special_files(runs / "special", root)
    return root


def pickles(folder: Path, harm: Path) -> None:
    """Every class of attack on a checkpoint, and a healthy one among them."""
    folder.mkdir(parents=True)
    for step, (_, body) in enumerate(sorted(payloads(harm).items()), 1):
        (folder / f"evil-{step}.pt").write_bytes(forge([("archive/data.pkl", body), ("archive/version", b"3\n")]))
        (folder / f"evil-{step}.pt.optim").write_bytes(body)
    for step, (_, body) in enumerate(sorted(zips(harm).items()), 100):
        (folder / f"evil-{step}.pt").write_bytes(body)
    for step, (_, body) in enumerate(sorted(bombs().items()), 200):
        (folder / f"evil-{step}.pt").write_bytes(forge([("archive/data.pkl", body), ("archive/version", b"3\n")]))
    write_network(folder / "evil-999.pt", 999)


def names(runs: Path) -> None:
    """Names that act where they are printed, formatted, joined or rendered; also one that is no text at all."""
    for name in NAMES:
        stem = name.encode()[:248].decode("utf-8", "ignore")  # a file's name has at most 255 bytes
        write_network(runs / name / "hypernetworks" / f"{stem}-500.pt", 500)
    write_network(runs / "loose" / f"{'l' * 248}-500.pt", 500)
    write_network(runs / "loose" / "other-500.pt", 500)
    if sys.platform == "linux":
        folder = os.fsencode(runs) + b"/un\xff\xfedecodable"
        Path(os.fsdecode(folder)).mkdir()
        (runs / "plain-500.pt").write_bytes((runs / NAMES[1] / "hypernetworks" / f"{NAMES[1]}-500.pt").read_bytes())
        (runs / "plain-500.pt").rename(os.fsdecode(folder + b"/x\xff-500.pt"))


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG that claims a size, whatever its data is."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pictures(run: Path) -> None:
    """Bombs, huge claims, halves, texts of megabytes; and one that is sound."""
    write_network(run / "hypernetworks" / "pictures-500.pt", 500)
    folder = run / "images"
    folder.mkdir()
    zeros = zlib.compress(bytes(64 << 20), 9)
    (folder / "pictures-100.png").write_bytes(png(4_000_000_000, 4_000_000_000, zeros))
    (folder / "pictures-200.png").write_bytes(png(60_000, 60_000, zeros))
    (folder / "pictures-300.png").write_bytes(png(1 << 20, 1, zeros))
    text = PngInfo()
    text.add_text(
        "parameters", "<img src=x onerror=alert(1)>" * 1000 + "\nSteps: 9" * 5000 + ", Seed: " + "9" * 100_000
    )
    Image.new("RGB", (64, 64), "red").save(folder / "pictures-400.png", pnginfo=text)
    ztxt = zlib.compress(b"a" * (200 << 20), 9)
    whole = (folder / "pictures-400.png").read_bytes()
    (folder / "pictures-450.png").write_bytes(whole[:33] + chunk(b"zTXt", b"parameters\0\0" + ztxt) + whole[33:])
    (folder / "pictures-500.png").write_bytes(whole[: len(whole) // 2])
    (folder / "pictures-600.png").write_bytes(b"<svg onload=alert(1)>")
    (folder / "pictures-700.webp").write_bytes(b"RIFF\xff\xff\xff\xffWEBPVP8 ")
    (folder / "pictures-800.gif").write_bytes(b"GIF89a\xff\xff\xff\xff")
    (folder / "pictures-900.png").write_bytes(EPS)
    (folder / "pictures-901.jpg").write_bytes(b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 30, len(EPS), 0, 0, 0, 0) + EPS)
    for picture in list(folder.iterdir()):
        picture.with_name(picture.name + ".txt").write_text("{{ 7*7 }} <b>(((" + "(" * 5000, encoding="utf-8")


def logs(run: Path) -> None:
    """A loss log with formulas, nulls, digits without end and NaN; settings and validations that are nonsense."""
    write_network(run / "hypernetworks" / "logs-500.pt", 500)
    rows = ["step,epoch,epoch_step,loss,learn_rate", "1,0,0,=cmd|'/C calc'!A0,1e-5", "2,0,0,nan,5e-6", "3,0,0,\0\0,1"]
    rows += [f"{'9' * 5000},0,0,0.1,5e-6", "5,0,0," + "1e999" + ",inf", "-6,0,0,0.1,5e-6", '7,"', "8,0,0,0.2,5e-6"]
    (run / "hypernetwork_loss.csv").write_bytes("\r\n".join(rows).encode() + b"\xff\xfe\r\n,,,,\r\n" * 100)
    (run / "settings-2022-11-11-11-11-11.json").write_text("[" * 100_000, encoding="utf-8")
    (run / "settings-2022-11-11-11-11-12.json").write_text(
        '{"learn_rate": {"a": NaN}, "steps": 1e999}', encoding="utf-8"
    )
    (run / "validation.jsonl").write_text("{}\n[]\nnull\n" + '{"step": -1, "items": "x"}\n' * 10, encoding="utf-8")
    (run / "run.json").write_text(json.dumps({"name": "<b>", "pictures": -1, "data": ["../../etc"]}), encoding="utf-8")


def forged_vitals(run: Path) -> None:
    """Vitals that name files elsewhere, and ones that are nonsense."""
    write_network(run / "hypernetworks" / "forged-500.pt", 500)
    forged = {"schema": 1, "root": "/", "name": "../../..", "checkpoints": [{"path": "/etc/passwd", "step": 1}]}
    (run / "vitals.json").write_text(json.dumps(forged), encoding="utf-8")
    marked = {
        "schema": 1,
        "run": "<script>alert(1)</script>{{7*7}}",
        "name": "../../\u202e<img src=x onerror=alert(1)>",
        "previews": [
            {"path": "../../../etc/passwd", "step": 1, "thumbnail": "x' onerror='alert(1)"},
            {"path": "javascript:alert(1)", "step": 2, "prompt": "</title><script>alert(1)</script>", "width": 9},
        ],
        "skipped": [{"what": "[link=file:///etc/passwd]x[/link]", "why": "\u001b[2J"}],
        "settings": {"data": "//somewhere/else", "model_name": "=cmd|' /C calc'!A0"},
    }
    (run.parent / "marked").mkdir()
    (run.parent / "marked" / "vitals.json").write_text(json.dumps(marked), encoding="utf-8")


def special_files(run: Path, root: Path) -> None:
    """Pipes, devices, links out of the run and round in circles."""
    write_network(run / "hypernetworks" / "special-500.pt", 500)
    outside = root / "outside"
    write_network(outside / "secret-1.pt", 0)
    os.mkfifo(run / "hypernetworks" / "special-600.pt")
    os.mkfifo(run / "hypernetwork_loss.csv")
    (run / "hypernetworks" / "special-700.pt").symlink_to("/dev/zero")
    (run / "hypernetworks" / "special-800.pt").symlink_to(outside / "secret-1.pt")
    (run / "hypernetworks" / "special-900.pt").symlink_to("special-900.pt")
    (run / "images").symlink_to(outside)
    (run / "round").symlink_to(run)
    (run / "settings-2022-11-11-11-11-11.json").symlink_to("/etc/passwd")
    for name in ("vitals.json", "run.json", "validation.jsonl", "settings.txt", "special-1.png"):
        os.mkfifo(run / name)
    data = root / "data"
    data.mkdir()
    Image.new("RGB", (64, 64)).save(data / "a.png")
    Image.new("RGB", (64, 64)).save(data / "b.png")
    os.mkfifo(data / "a.txt")
    (data / "b.txt").symlink_to("/dev/zero")
    os.mkfifo(data / "c.png")
    (data / "d.png").symlink_to("/dev/zero")


def settings(root: Path) -> Path:
    """What is named on a command line: configurations, a baseline, a web UI's folder; all of them hostile."""
    folder = root / "settings"
    webui = folder / "webui"
    webui.mkdir(parents=True)
    (folder / "train.toml").write_text(TOML.format(data=root / "data"), encoding="utf-8")
    (folder / "device.toml").write_text(f'data = "{root / "data"}"\ntemplate = "/dev/zero"\n', encoding="utf-8")
    (folder / "deep.toml").write_text("a = " + "[" * 100_000, encoding="utf-8")
    (folder / "gate.toml").write_text('baseline = "/dev/zero"\nfail-on = "\\u202e"\n', encoding="utf-8")
    (folder / "deep.json").write_text("[" * 100_000, encoding="utf-8")
    known = {"run": "<b>", "code": "HN101", "subject": "\x1b", "step": "1", "severity": "error"}
    (folder / "baseline.json").write_text(json.dumps({"known": [known] * 1000}), encoding="utf-8")
    (webui / "config.json").write_text("[" * 100_000, encoding="utf-8")
    told = {"train/Prompt template/value": "../../../../etc/passwd", "txt2img/Seed/value": "\x1b[2J"}
    (webui / "ui-config.json").write_text(json.dumps(told), encoding="utf-8")
    line = 'export COMMANDLINE_ARGS="--hypernetwork-dir $(touch harm) `touch harm` --ckpt ; touch harm"\n'
    (webui / "webui-user.sh").write_text(line, encoding="utf-8")
    if os.name == "posix":
        os.mkfifo(folder / "pipe.toml")
        os.mkfifo(folder / "pipe.json")
        os.mkfifo(webui / "webui-user-x.sh")
    return folder


TOML = """
name = "../../x"
data = "{data}"
out = "/proc/self"
base_model = "../../../../etc/passwd"
learn_rate = "1e400:1e400, __import__('os').system('touch harm')"
steps = 99999999999999999999999
template = "/etc/passwd"
layer_structure = [1, 1e300, nan, 1]
activation = "__class__"
preview_prompts = ["{{{{ 7*7 }}}}", "\\u202e"]
"""
