"""PNG, JPEG, TIFF and WebP as viewers show them, and what else is sent named as what it is."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from hostile import apng, chunk, with_chunks
from pictures import encoded, phantom, rgb
from tosa import errors, screening
from tosa.inputs import picture_files, xray

GRAY = phantom()
DEEP = GRAY.astype(np.uint16) * 257


def spread(values) -> np.ndarray:
    return (values.astype(float) - values.min()) / np.ptp(values) * 255


# --- TIFF and WebP


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("values", [GRAY, rgb(GRAY)], ids=["gray", "rgb"])
def test_tiff(values, compression):
    data = encoded(Image.fromarray(values), "TIFF", compression=compression)
    np.testing.assert_array_equal(xray.decode(data), values if values.ndim == 3 else rgb(values))


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_tiff_of_16_bits(order):
    data = encoded(Image.fromarray(DEEP), "TIFF")
    if order == ">u2":
        image = Image.frombytes("I;16B", DEEP.shape[::-1], DEEP.astype(">u2").tobytes())
        data = encoded(image, "TIFF")
        assert data[:2] in (b"MM", b"II")
    np.testing.assert_allclose(xray.decode(data)[:, :, 0], spread(DEEP), atol=0.51)


def test_tiff_with_white_at_zero():
    eight = encoded(Image.fromarray(GRAY), "TIFF", tiffinfo={262: 0})  # which Pillow inverts as it writes
    sixteen = encoded(Image.fromarray(DEEP), "TIFF", tiffinfo={262: 0})  # and these not
    for data in (eight, sixteen):
        assert Image.open(io.BytesIO(data)).tag_v2[262] == 0
    np.testing.assert_array_equal(xray.decode(eight)[:, :, 0], GRAY)
    np.testing.assert_allclose(xray.decode(sixteen)[:, :, 0], 255 - spread(DEEP), atol=0.51)


def test_tiff_of_32_bits_is_told():
    with pytest.raises(errors.UnsupportedFormat, match="32 bits"):
        xray.decode(encoded(Image.fromarray(GRAY.astype(np.float32)), "TIFF"))


@pytest.mark.parametrize("name", ["TIFF", "WEBP"])
def test_several_pages_or_frames_are_told(name):
    pages = [Image.fromarray(rgb(GRAY)), Image.fromarray(rgb(255 - GRAY))]
    with pytest.raises(errors.SeveralFrames):
        xray.decode(encoded(pages[0], name, save_all=True, append_images=pages[1:]))


def test_webp():
    np.testing.assert_array_equal(xray.decode(encoded(Image.fromarray(rgb(GRAY)), "WEBP", lossless=True)), rgb(GRAY))


@pytest.mark.parametrize("name", ["TIFF", "WEBP"])
def test_a_cut_one_is_damaged(name):
    data = encoded(Image.fromarray(rgb(GRAY)), name)
    with pytest.raises(errors.Damaged):
        xray.decode(data[: len(data) // 2])


def test_a_tiff_of_many_pixels_is_refused_before_it_is_decoded():
    with pytest.raises(errors.PictureTooLarge):
        xray.decode(encoded(Image.new("1", (8000, 4000)), "TIFF", compression="group4"))


# --- JPEG without its last bytes


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 95}], ids=str)
@pytest.mark.parametrize("values", [GRAY, rgb(GRAY)], ids=["gray", "rgb"])
@pytest.mark.parametrize("missing", [1, 2, 3, 10, 0.01, 0.02])
def test_a_jpeg_without_its_last_bytes_is_shown(values, options, missing):
    data = encoded(Image.fromarray(values), "JPEG", **options)
    cut = data[: -(missing if missing >= 1 else int(len(data) * missing))]
    differs = np.abs(xray.decode(cut).astype(int) - xray.decode(data)) > 8
    assert differs.mean() < 0.04


@pytest.mark.parametrize("missing", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("quality", [75, 95])
def test_a_jpeg_without_a_tenth_or_more_is_damaged(missing, quality):
    data = encoded(Image.fromarray(GRAY), "JPEG", quality=quality)
    with pytest.raises(errors.Damaged):
        xray.decode(data[: -int(len(data) * missing)])


# --- PNG with much beside the picture

TEXTS = {
    "a text of 9 MB": chunk(b"tEXt", b"k\0" + b"x" * 9_000_000),
    "a text that inflates": chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26), 9)),
    "an international text that inflates": chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(2**26), 9)),
    "many texts that inflate": chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**20 - 1), 9)) * 1000,
    "a profile that inflates": chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**26), 9)),
    "a profile of junk": chunk(b"iCCP", b"k\0\0" + b"junk"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_and_profiles_do_not_matter(name):
    np.testing.assert_array_equal(xray.decode(with_chunks(TEXTS[name])), xray.decode(with_chunks()))


def test_of_an_animated_png_the_picture_itself_is_shown():
    assert xray.decode(apng()).ndim == 3


# --- everything else is named

NAMED = {
    "GIF": lambda: encoded(Image.fromarray(GRAY), "GIF"),
    "BMP": lambda: encoded(Image.fromarray(GRAY), "BMP"),
    "AVIF": lambda: encoded(Image.fromarray(GRAY), "AVIF"),
    "JPEG 2000": lambda: encoded(Image.fromarray(GRAY), "JPEG2000"),
    "icon": lambda: encoded(Image.fromarray(GRAY[:64, :64]), "ICO"),
    "HEIC": lambda: b"\0\0\0\x24ftypheic" + bytes(99),
    "PDF": lambda: b"%PDF-1.7\n" + bytes(99),
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "SVG": lambda: b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "HTML": lambda: b"\xef\xbb\xbf\n<!DOCTYPE html><title>x</title>",
    "gzip": lambda: b"\x1f\x8b\x08" + bytes(20),
    "ZIP": lambda: b"PK\3\4" + bytes(20),
    "JPEG XL": lambda: b"\xff\x0a" + bytes(20),
    "Photoshop": lambda: b"8BPS" + bytes(20),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_read_is_named(name):
    with pytest.raises(errors.UnsupportedFormat, match=f"This is an? .*{name}"):
        screening.kind_of(NAMED[name]())


@pytest.mark.parametrize(
    "data", [b"BM is how this text begins, of some length", b"hello", b"<p>no page</p>", b"\0\0\0\x20ftypzzzz"]
)
def test_what_nothing_is_known_of_is_not_named(data):
    with pytest.raises(errors.UnsupportedFormat) as refused:
        raise_for(data)
    assert "This is a" not in str(refused.value)


def raise_for(data: bytes) -> None:
    kind = screening.kind_of(data)
    raise errors.UnsupportedFormat(f"taken for a {kind}")


def test_16_bits_of_a_png_without_window_leave_outliers_out():
    hot = DEEP.copy() // 4
    hot[5, 5], hot[8:20, 8:28] = 65_535, 60_000
    pixels = xray.decode(encoded(Image.fromarray(hot)))[:, :, 0].astype(float)
    expected = spread(DEEP // 4)
    keep = np.ones(GRAY.shape, bool)
    keep[5, 5] = keep[8:20, 8:28] = False
    np.testing.assert_allclose(pixels[keep], expected[keep], atol=0.51)


def test_formats_are_told_by_content():
    assert all(picture_files.begins_picture(encoded(Image.fromarray(GRAY), name)) for name in picture_files.FORMATS)


def test_tiff_with_signed_samples():
    signed = GRAY.astype(np.int16) * 100 - 10_000
    fields = {256: (4, GRAY.shape[1]), 257: (4, GRAY.shape[0]), 258: (3, 16), 259: (3, 1), 262: (3, 1), 273: (4, 134),
              277: (3, 1), 278: (4, GRAY.shape[0]), 279: (4, signed.nbytes), 339: (3, 2)}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in fields.items())
    data = b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + signed.astype("<i2").tobytes()
    expected = (GRAY.astype(float) - GRAY.min()) / np.ptp(GRAY) * 255
    np.testing.assert_allclose(xray.decode(data)[:, :, 0], expected, atol=0.51)


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"PK\5\6", "ZIP"), (b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "Zstandard")],
)
def test_archives_are_named(start, name):
    with pytest.raises(errors.UnsupportedFormat, match=name):
        screening.kind_of(start + bytes(40))
