"""Pictures from outside look as a viewer shows them, and what was done to them is told."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms, TiffImagePlugin

from driftloop.pictures import FORMATS, MAX_PIXELS, PictureError, read_picture

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def written(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int, kind: int, rows: list[bytes], *more: bytes) -> bytes:
    """A PNG as the standard has it, which Pillow cannot write in every form."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    extra = b"".join(chunk(part[:4], part[4:]) for part in more)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )  # fmt: skip


def on_white(levels: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    share = alpha[..., None] / 255
    return levels * share + 255 * (1 - share)


def far(image: Image.Image, wanted: Any) -> float:
    assert image.mode == "RGB"
    return float(np.abs(np.asarray(image, float) - np.asarray(wanted, float)).max())


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["RGB", "L", "P", "1"]),
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
    st.sampled_from(["PNG", "BMP", "TIFF", "GIF", "WEBP"]),
)
def test_a_plain_picture_keeps_the_bits_of_a_plain_decode(
    mode: str, levels: Any, form: str
) -> None:
    image = Image.fromarray(levels).convert(mode)
    data = written(image, form, **({"lossless": True} if form == "WEBP" else {}))
    found, notes = read_picture(data)
    with Image.open(io.BytesIO(data)) as file:
        assert found.tobytes() == file.convert("RGB").tobytes()
    assert notes == ()


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_transparency_is_laid_on_white(levels: Any) -> None:
    found, notes = read_picture(written(Image.fromarray(levels)))
    wanted = on_white(levels[..., :3].astype(float), levels[..., 3])
    assert far(found, wanted) <= 1
    assert notes == (("laid on white",) if (levels[..., 3] < 255).any() else ())


@pytest.mark.parametrize("mode", ["LA", "PA", "P"])
def test_transparency_of_every_kind_of_file_is_laid_on_white(mode: str) -> None:
    image = Image.new("RGBA", (6, 4), (200, 10, 10, 255))
    image.paste((0, 90, 0, 0), (0, 0, 3, 4))
    if mode == "LA":
        data = written(image.convert("LA"))
    elif mode == "PA":
        data = written(image, "WEBP", lossless=True, exact=True)
    else:
        flat = image.convert("RGB").quantize(4)
        data = written(flat, transparency=flat.getpixel((0, 0)))
    found, notes = read_picture(data)
    assert found.getpixel((0, 0)) == (255, 255, 255)
    assert found.getpixel((5, 3)) != (255, 255, 255)
    assert notes == ("laid on white",)


@pytest.mark.parametrize(
    ("depth", "kind", "row", "key", "clear"),
    [
        (1, 0, b"\x40", b"\0\1", [0, 1, 0, 0]),
        (2, 0, b"\x1b", b"\0\2", [0, 0, 1, 0]),
        (4, 0, b"\x0f\x3a", b"\0\x0a", [0, 0, 0, 1]),
        (8, 0, b"\0\7\x08\xff", b"\0\7", [0, 1, 0, 0]),
        (16, 0, b"\1\2\1\3\1\2\xff\xff", b"\1\2", [1, 0, 1, 0]),
        (8, 2, b"\1\2\3\1\2\4\1\2\3\0\0\0", b"\0\1\0\2\0\3", [1, 0, 1, 0]),
    ],
)
def test_a_colour_that_a_png_calls_clear_is_white(
    depth: int, kind: int, row: bytes, key: bytes, clear: list[int]
) -> None:
    found, notes = read_picture(png(4, 1, depth, kind, [row], b"tRNS" + key))
    bare, _ = read_picture(png(4, 1, depth, kind, [row]))
    for x, is_clear in enumerate(clear):
        assert found.getpixel((x, 0)) == ((255,) * 3 if is_clear else bare.getpixel((x, 0)))
    assert "laid on white" in notes


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))),
    st.sampled_from(["PNG", "TIFF"]),
)
def test_16_bits_are_scaled_to_8(levels: Any, form: str) -> None:
    found, notes = read_picture(written(Image.fromarray(levels), form))
    assert far(found, np.round(levels / 257)[..., None]) == 0
    assert notes == ("scaled to 8 bits",)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floats_are_scaled_by_the_usual_range_that_holds_them(top: float) -> None:
    ramp = np.linspace(0, top, 48, dtype=np.float32).reshape(4, 12)
    found, notes = read_picture(written(Image.fromarray(ramp), "TIFF"))
    assert far(found, np.round(ramp * 255 / top)[..., None]) <= 1
    assert notes == ("scaled to 8 bits",)


@pytest.mark.parametrize("level", [-1.0, 1e12, float("nan"), float("inf")])
def test_floats_that_have_no_range_are_refused(level: float) -> None:
    levels = np.array([[0.5, level]], dtype=np.float32)
    with pytest.raises(PictureError, match=r"no known range|no numbers"):
        read_picture(written(Image.fromarray(levels), "TIFF"))


def test_a_16_bit_negative_is_shown_as_a_positive() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    levels = np.array([[0, 65535]], dtype=np.uint16)
    found, _ = read_picture(written(Image.fromarray(levels), "TIFF", tiffinfo=tags))
    assert [found.getpixel((x, 0))[0] for x in (0, 1)] in ([255, 0], [0, 255])
    with Image.open(io.BytesIO(written(Image.fromarray(levels), "TIFF", tiffinfo=tags))) as file:
        kept = file.tag_v2[262]
    assert found.getpixel((0, 0))[0] == (255 if kept == 0 else 0)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_is_turned_as_its_file_says(turn: int, form: str) -> None:
    levels = np.zeros((16, 32, 3), np.uint8)
    levels[:8, :8] = (255, 0, 0)
    levels[8:, 24:] = (0, 255, 0)
    exif = Image.Exif()
    exif[0x0112] = turn
    options: dict[str, Any] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    found, notes = read_picture(
        written(Image.fromarray(levels), form, exif=exif, **options.get(form, {}))
    )
    turned = {
        1: levels, 2: levels[:, ::-1], 3: levels[::-1, ::-1], 4: levels[::-1],
        5: levels.swapaxes(0, 1), 6: np.rot90(levels, -1), 7: np.rot90(levels, 2).swapaxes(0, 1),
        8: np.rot90(levels),
    }[turn]  # fmt: skip
    assert far(found, turned) <= 8
    assert notes == (("turned",) if turn > 1 else ())


def test_damaged_exif_does_not_hide_a_picture() -> None:
    data = written(Image.new("RGB", (8, 8), "red"), "PNG", exif=b"Exif\0\0no exif at all")
    assert read_picture(data) == (Image.new("RGB", (8, 8), "red"), ())


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_inks_are_converted(form: str) -> None:
    image = Image.new("RGB", (16, 16), (40, 90, 160)).convert("CMYK")
    found, notes = read_picture(written(image, form))
    assert far(found, np.full((16, 16, 3), (40, 90, 160))) <= 3
    assert notes == ("colours converted",)


def test_lab_is_converted() -> None:
    # L 53.2, a 80.1, b 67.2 is the red of sRGB; the profile's white is D50.
    lab = Image.merge("LAB", [Image.new("L", (4, 4), level) for level in (138, 209, 198)])
    found, notes = read_picture(written(lab, "TIFF"))
    assert far(found, np.full((4, 4, 3), (255, 0, 0))) <= 12
    assert notes == ("colours converted",)


def linear_profile() -> bytes:
    """A profile of sRGB's colours without its curve, built from littleCMS's own sRGB."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", data[128:132])
    for number in range(count):
        name, offset, size = struct.unpack(">4sII", data[132 + 12 * number : 144 + 12 * number])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            curve = b"curv" + bytes(4) + struct.pack(">I", 0)
            data[offset : offset + size] = curve + bytes(size - len(curve))
    return bytes(data)


def test_a_colour_profile_is_followed_and_srgb_by_any_name_changes_nothing() -> None:
    image = Image.fromarray(np.arange(64 * 3, dtype=np.uint8).reshape(8, 8, 3))
    found, notes = read_picture(written(image, icc_profile=linear_profile()))
    share = np.asarray(image) / 255
    wanted = np.where(share <= 0.0031308, share * 12.92, 1.055 * share ** (1 / 2.4) - 0.055) * 255
    assert far(found, wanted) <= 2
    assert notes == ("colours converted",)
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read_picture(written(image, icc_profile=same)) == (image, ())


def test_a_profile_that_is_none_is_left_out_and_told() -> None:
    image = Image.new("RGB", (8, 8), (10, 20, 30))
    assert read_picture(written(image, icc_profile=b"nothing")) == (image, ("profile ignored",))
    gray = written(image.convert("L"), icc_profile=linear_profile())
    assert read_picture(gray).notes == ("profile ignored",)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_what_moves_the_first_picture_is_taken(form: str) -> None:
    first, second = Image.new("RGB", (8, 8), "blue"), Image.new("RGB", (8, 8), "red")
    data = written(
        first, form, save_all=True, append_images=[second],
        **({"lossless": True} if form == "WEBP" else {}),
    )  # fmt: skip
    assert read_picture(data) == (first, ("first frame",))


@pytest.mark.parametrize("form", ["PPM", "JPEG2000", "AVIF"])
def test_less_usual_formats_are_read(form: str) -> None:
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow cannot write {form}")
    image = Image.new("RGB", (16, 16), (40, 90, 160))
    found, notes = read_picture(written(image, form))
    assert far(found, image) <= 4
    assert notes == ()


@pytest.mark.parametrize("side", [9_000, 13_000, 50_000])
@pytest.mark.filterwarnings("error")
def test_a_picture_that_is_too_large_is_refused_by_its_header(side: int) -> None:
    bomb = png(side, side, 8, 2, [b"\0"])
    with pytest.raises(PictureError, match=f"too large: {side} by {side} pixels"):
        read_picture(bomb)
    assert side * side > MAX_PIXELS


def test_what_is_no_picture_is_refused_with_the_formats_that_are_read(tmp_path: Path) -> None:
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>", b"GIF", b"\0"):
        with pytest.raises(PictureError, match="none of PNG, JPEG"):
            read_picture(data)
    assert not {"EPS", "WMF", "PDF", "FITS"} & {*FORMATS}
    with pytest.raises(PictureError, match="empty"):
        read_picture(b"")
    with pytest.raises(PictureError, match=r"no pixels|damaged"):
        read_picture(png(0, 5, 8, 2, [b""]))
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="no file"):
        read_picture(tmp_path / "pipe.png")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]), st.data())
def test_half_a_picture_is_refused_and_damage_never_crashes(form: str, data: Any) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    whole = written(Image.fromarray(noise), form)
    cut = whole[: data.draw(st.integers(1, len(whole) * 3 // 4))]
    with pytest.raises(PictureError):
        read_picture(cut)
    spoilt = bytearray(whole)
    for _ in range(3):
        spoilt[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PictureError):
        assert read_picture(bytes(spoilt)).image.mode == "RGB"
