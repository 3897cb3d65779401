"""The web UI's infotext: its own words out, the same words in."""

import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from hndoctor.formats.infotext import Infotext, compose, from_picture, parse, quote

PLAIN = """a red house, sunset
Negative prompt: blurry, lowres
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model hash: 6ce0161689, Model: v1-5-pruned"""

NEWEST = """masterpiece, <hypernet:fischl:0.8>, (red:1.2)
second line: with a colon
Negative prompt: blurry
also bad
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 99, Size: 640x512, Model hash: 6ce0161689, \
Model: "weird, name: v2", Denoising strength: 0.7, Clip skip: 2, ENSD: 31337, \
Lora hashes: "a: 1234, b: 5678", Version: v1.10.1"""

OLDEST = """portrait
Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 5, Size: 512x768"""


def test_reads_what_the_web_ui_writes():
    read = parse(PLAIN)
    assert (read.prompt, read.negative_prompt) == ("a red house, sunset", "blurry, lowres")
    assert (read.steps, read.sampler, read.cfg_scale, read.seed, read.size) == (20, "Euler a", 7, 1234, (512, 512))
    assert (read.model_hash, read.model, read.clip_skip, read.extra) == ("6ce0161689", "v1-5-pruned", None, {})


def test_reads_lines_and_quotes_and_extras():
    read = parse(NEWEST)
    assert read.prompt == "masterpiece, <hypernet:fischl:0.8>, (red:1.2)\nsecond line: with a colon"
    assert read.negative_prompt == "blurry\nalso bad"
    assert (read.schedule_type, read.cfg_scale, read.model, read.clip_skip) == ("Karras", 6.5, "weird, name: v2", 2)
    assert read.extra["Lora hashes"] == "a: 1234, b: 5678"
    assert read.extra["Version"] == "v1.10.1"


@pytest.mark.parametrize("text", [PLAIN, NEWEST, OLDEST], ids=["plain", "newest", "oldest"])
def test_composes_the_same_text_again(text):
    assert compose(parse(text)) == text


def test_a_prompt_alone_has_no_parameters():
    assert parse("only, a: prompt") == Infotext(prompt="only, a: prompt")


def test_a_last_line_that_only_looks_like_parameters_is_prompt():
    assert parse("one\ntwo: 2, three: 3").prompt == "one\ntwo: 2, three: 3"


def test_no_prompt_at_all():
    read = parse("Negative prompt: bad\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1")
    assert (read.prompt, read.negative_prompt, read.seed) == ("", "bad", 1)
    assert parse("") == Infotext()


def test_a_value_in_braces_is_taken_whole():
    read = parse('p\nSteps: 1, Sampler: E, Seed: 2, Hashes: {"model": "ab", "lora:x": "cd"}, Size: 8x8')
    assert json.loads(read.extra["Hashes"]) == {"model": "ab", "lora:x": "cd"}
    assert read.size == (8, 8)


def test_what_is_not_a_number_is_kept_as_text():
    read = parse("p\nSteps: many, Sampler: E, CFG scale: nan, Seed: 0x10, Size: large")
    assert (read.steps, read.cfg_scale, read.seed, read.size) == (None, None, None, None)
    assert read.extra == {"Steps": "many", "CFG scale": "nan", "Seed": "0x10", "Size": "large"}


@pytest.mark.parametrize(
    "line", ["a:" + '{"b":[' * 40000, 'a:"' * 90000, "w " * 130000, ":," * 130000, "a" * 260000 + ":"]
)
def test_hostile_lines_are_read_in_linear_time(line):
    begun = time.perf_counter()
    parse("Steps: 1, " + line)
    assert time.perf_counter() - begun < 5


line = st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=30).map(str.strip)
lines = st.lists(line.filter(lambda text: text and not text.startswith("Negative prompt:")), max_size=3).map("\n".join)
word = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12).filter(lambda t: t[0] not in '"{')


@given(
    st.builds(
        Infotext,
        prompt=lines,
        negative_prompt=lines,
        steps=st.integers(1, 150),
        sampler=word,
        schedule_type=st.none() | word,
        cfg_scale=st.floats(0, 30) | st.integers(0, 30),
        seed=st.integers(-1, 2**32),
        size=st.tuples(st.integers(64, 2048), st.integers(64, 2048)),
        model_hash=st.none() | st.from_regex(r"[0-9a-f]{10}", fullmatch=True),
        model=st.none() | word,
        clip_skip=st.none() | st.integers(2, 12),
        extra=st.dictionaries(st.sampled_from(["ENSD", "Eta", "Hires upscaler", "Template"]), word),
    )
)
def test_round_trip(infotext):
    assert parse(compose(infotext)) == infotext


def test_quotes_only_where_needed():
    assert (quote("plain"), quote("a, b"), quote('say "a": b')) == ("plain", '"a, b"', '"say \\"a\\": b"')


def saved(image_format, **how):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, image_format, **how)
    file.seek(0)
    return Image.open(file)


def user_comment(data):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = data
    return exif


def test_from_a_png():
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", PLAIN)
    assert from_picture(saved("PNG", pnginfo=info)) == parse(PLAIN)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", "夕焼け\n" + PLAIN.splitlines()[-1])
    assert from_picture(saved("PNG", pnginfo=info)).prompt == "夕焼け"


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    "data",
    [
        b"UNICODE\0" + PLAIN.encode("utf-16-be"),
        b"UNICODE\0" + PLAIN.encode("utf-16-le"),
        b"ASCII\0\0\0" + PLAIN.encode("ascii"),
        PLAIN.encode("ascii"),
        PLAIN,
    ],
    ids=["piexif", "little-endian", "ascii", "without a code", "as text"],
)
def test_from_a_user_comment(image_format, data):
    assert from_picture(saved(image_format, exif=user_comment(data))) == parse(PLAIN)


def test_a_picture_without_text_tells_nothing():
    assert from_picture(saved("PNG")) is None
    assert from_picture(saved("JPEG", exif=user_comment(b"UNICODE\0"))) is None
