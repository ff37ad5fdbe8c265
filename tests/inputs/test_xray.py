import numpy as np
import pytest
from PIL import Image
from pydicom import uid

from pictures import dicom, encoded, exif, phantom, png16, rgb
from tosa import errors
from tosa.inputs import xray

GRAY = phantom()  # uint8 (240, 320), brighter to the right


FORMATS = {
    "png gray": lambda: encoded(Image.fromarray(GRAY)),
    "png rgb": lambda: encoded(Image.fromarray(rgb(GRAY))),
    "png 16 bit": lambda: encoded(Image.fromarray(GRAY.astype(np.uint16) * 257)),
    "png 12 bits in 16": lambda: encoded(Image.fromarray(GRAY.astype(np.uint16) * 16)),
    "png 16 bit gray and alpha": lambda: png16(np.dstack([GRAY * np.uint16(257), np.full(GRAY.shape, 65_535)])),
    "png 16 bit rgb": lambda: png16(rgb(GRAY) * np.uint16(257)),
    "png 12 bits in 16 rgb": lambda: png16(rgb(GRAY) * np.uint16(16)),
    "png palette": lambda: encoded(Image.fromarray(GRAY).convert("P")),
    "png gray and alpha": lambda: encoded(Image.fromarray(GRAY).convert("LA")),
    "png rgba": lambda: encoded(Image.fromarray(GRAY).convert("RGBA")),
    "jpeg gray": lambda: encoded(Image.fromarray(GRAY), "JPEG", quality=95),
    "jpeg rgb": lambda: encoded(Image.fromarray(rgb(GRAY)), "JPEG", quality=95),
    "jpeg cmyk": lambda: encoded(Image.fromarray(rgb(GRAY)).convert("CMYK"), "JPEG", quality=95),
    "dicom": lambda: dicom(GRAY.astype(np.uint16) * 16),
    "dicom 8 bit": lambda: dicom(GRAY),
    "dicom signed": lambda: dicom((GRAY.astype(np.int16) - 150).view(np.uint16), PixelRepresentation=1),
    "dicom jpeg": lambda: dicom(GRAY, uid.JPEGBaseline8Bit, encoded(Image.fromarray(GRAY), "JPEG", quality=95)),
    "dicom jpeg 2000": lambda: dicom(GRAY, uid.JPEG2000Lossless, encoded(Image.fromarray(GRAY), "JPEG2000")),
    "dicom 16 bit rgb": lambda: dicom(rgb(GRAY) * np.uint16(257)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_decodes(name):
    pixels = xray.decode(FORMATS[name]())
    assert pixels.dtype == np.uint8 and pixels.shape == (*GRAY.shape, 3)
    stretched = (GRAY.astype(float) - GRAY.min()) / np.ptp(GRAY) * 255  # what deeper pictures are scaled to
    expected = stretched if "16" in name or "dicom" in name else GRAY.astype(float)
    coarse = 9 if name == "png 12 bits in 16 rgb" else 3  # of which Pillow keeps 4 bits
    assert np.abs(pixels - expected[:, :, None]).mean() < coarse
    xray.check(pixels)


def test_exif_orientation_is_applied():
    image = Image.fromarray(GRAY)
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    turned = xray.decode(encoded(image, "JPEG", quality=95, exif=exif))
    assert turned.shape == (320, 240, 3)
    assert np.abs(turned[:, :, 0].astype(int) - np.rot90(GRAY, -1)).mean() < 3


SIX = (0x112, 3, 1, b"\6\0\0\0")  # the orientation that the test above has
NONSENSE = {
    "no exif at all": b"Exif\0\0 but nothing of the kind",
    "pointer to nowhere": exif(SIX, (0x8769, 4, 1, b"\xff\xff\xff\x7f")),
    "pointer that is text": exif(SIX, (0x8769, 2, 4, b"abcd")),
    "gps that is short": exif(SIX, (0x8825, 3, 1, b"\1\0\0\0")),
    "orientation twice": exif((0x112, 3, 2, b"\6\0\6\0")),
    "orientation that is text": exif((0x112, 2, 2, b"6\0\0\0")),
    "orientation 99": exif((0x112, 3, 1, b"\x63\0\0\0")),
    "text as a number": exif((0x100, 2, 4, b"abc\0"), SIX),
    "type 99": exif((0x112, 99, 1, b"\6\0\0\0")),
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_nonsense_in_exif_does_not_matter(name, format):
    pixels = xray.decode(encoded(Image.fromarray(GRAY), format, exif=NONSENSE[name]))
    assert pixels.shape in ((*GRAY.shape, 3), (*GRAY.shape[::-1], 3))


def test_transparent_becomes_black():
    image = Image.fromarray(GRAY).convert("RGBA")
    image.putalpha(0)
    assert xray.decode(encoded(image)).max() == 0


def colourful():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((32, 32, 1))).astype(np.uint8)


def tinted(*tint: float):
    return (rgb(GRAY) * np.array(tint)).astype(np.uint8)


BAD = {
    "cut png": (lambda: encoded(Image.fromarray(GRAY))[:300], errors.Damaged),
    "cut jpeg": (lambda: encoded(Image.fromarray(GRAY), "JPEG")[:2000], errors.Damaged),
    "cut dicom": (lambda: dicom(GRAY)[:600], errors.Damaged),
    "gif": (lambda: encoded(Image.fromarray(GRAY), "GIF"), errors.Damaged),
    "26 megapixels": (lambda: encoded(Image.new("L", (5200, 5001))), errors.PictureTooLarge),
    "177 megapixels": (lambda: encoded(Image.new("1", (13_300, 13_300))), errors.PictureTooLarge),
    "dicom of 4 GB": (lambda: dicom(GRAY, Rows=65_535, Columns=65_535), errors.PictureTooLarge),
    "1 x 1": (lambda: encoded(Image.new("L", (1, 1))), errors.NotAChestXray),
    "1 x 10,000": (lambda: encoded(Image.new("L", (1, 10_000))), errors.NotAChestXray),
    "blank": (lambda: encoded(Image.new("L", (300, 300), 128)), errors.NotAChestXray),
    "colourful": (lambda: encoded(Image.fromarray(colourful())), errors.NotAChestXray),
    "blue alone": (lambda: encoded(Image.fromarray(tinted(0, 0, 1))), errors.NotAChestXray),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    make, error = BAD[name]
    with pytest.raises(error):
        xray.picture(make())


@pytest.mark.parametrize("tint", [(0.7, 0.9, 1), (1, 0.85, 0.6)])
def test_film_is_gray_whatever_the_light(tint):
    pixels, gray = (xray.picture(encoded(Image.fromarray(each))) for each in (tinted(*tint), GRAY))
    assert (pixels == pixels[:, :, :1]).all()
    assert np.corrcoef(pixels.ravel(), gray.ravel())[0, 1] > 0.999


def test_up_to_the_limit_is_read_and_gray_is_held_once():
    large = xray.decode(encoded(Image.new("L", (5000, 5000), 7), compress_level=1))
    assert large.shape == (5000, 5000, 3) and large.strides[2] == 0 and (large[0, 0] == 7).all()
    assert xray.decode(encoded(Image.new("RGB", (5000, 4000)), compress_level=1)).shape == (4000, 5000, 3)


def test_gray_is_resized_as_its_three_channels_are():
    pixels = xray.decode(encoded(Image.fromarray(GRAY)))
    np.testing.assert_array_equal(xray.resize(pixels), xray.resize(np.ascontiguousarray(pixels)))


def test_a_picture_of_that_size_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    np.testing.assert_array_equal(xray.resize(pixels, (40, 50)), pixels)


def test_resize_keeps_all_of_the_picture_and_smooths_where_it_shrinks():
    stripes = np.zeros((900, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    small = xray.resize(stripes)
    assert small.shape == (299, 299, 3) and np.abs(small[:, 5:-5].astype(int) - 127).max() < 20
