import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pictures import dicom, encoded, phantom

from tosa import errors, xray

GRAY = phantom()  # uint8 (240, 320), brighter to the right


def rgb(gray):
    return np.repeat(gray[:, :, None], 3, axis=2)


FORMATS = {
    "png gray": lambda: encoded(Image.fromarray(GRAY)),
    "png rgb": lambda: encoded(Image.fromarray(rgb(GRAY))),
    "png 16 bit": lambda: encoded(Image.fromarray(GRAY.astype(np.uint16) * 257)),
    "png 12 bits in 16": lambda: encoded(Image.fromarray(GRAY.astype(np.uint16) * 16)),
    "png palette": lambda: encoded(Image.fromarray(GRAY).convert("P")),
    "png gray and alpha": lambda: encoded(Image.fromarray(GRAY).convert("LA")),
    "png rgba": lambda: encoded(Image.fromarray(GRAY).convert("RGBA")),
    "jpeg gray": lambda: encoded(Image.fromarray(GRAY), "JPEG", quality=95),
    "jpeg rgb": lambda: encoded(Image.fromarray(rgb(GRAY)), "JPEG", quality=95),
    "jpeg cmyk": lambda: encoded(Image.fromarray(rgb(GRAY)).convert("CMYK"), "JPEG", quality=95),
    "dicom": lambda: dicom(GRAY.astype(np.uint16) * 16),
    "dicom 8 bit": lambda: dicom(GRAY),
}


@pytest.mark.parametrize("name", FORMATS)
def test_decodes(name):
    pixels = xray.decode(FORMATS[name]())
    assert pixels.dtype == np.uint8 and pixels.shape == (*GRAY.shape, 3)
    stretched = (GRAY.astype(float) - GRAY.min()) / np.ptp(GRAY) * 255  # what deeper pictures are scaled to
    expected = stretched if "16" in name or "dicom" in name else GRAY.astype(float)
    assert np.abs(pixels - expected[:, :, None]).mean() < 3
    xray.check(pixels)


def test_exif_orientation_is_applied():
    image = Image.fromarray(GRAY)
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    turned = xray.decode(encoded(image, "JPEG", quality=95, exif=exif))
    assert turned.shape == (320, 240, 3)
    assert np.abs(turned[:, :, 0].astype(int) - np.rot90(GRAY, -1)).mean() < 3


def test_transparent_becomes_black():
    image = Image.fromarray(GRAY).convert("RGBA")
    image.putalpha(0)
    assert xray.decode(encoded(image)).max() == 0


class TestDicom:
    def test_monochrome1_is_inverted(self):
        plain, inverted = dicom(GRAY), dicom(GRAY, PhotometricInterpretation="MONOCHROME1")
        np.testing.assert_allclose(xray.decode(inverted).astype(int), 255 - xray.decode(plain).astype(int), atol=1)

    def test_window_applies_after_the_modality_lut(self):
        stored = GRAY.astype(np.uint16)
        values = dict(RescaleSlope=2, RescaleIntercept=-100, WindowCenter=100, WindowWidth=100)
        pixels = xray.decode(dicom(stored, **values))[:, :, 0]
        hounsfield = stored.astype(float) * 2 - 100
        assert pixels[hounsfield < 50].max() <= 1 and pixels[hounsfield > 151].min() >= 254

    def test_window_then_monochrome1(self):
        values = dict(PhotometricInterpretation="MONOCHROME1", WindowCenter=100, WindowWidth=20)
        pixels = xray.decode(dicom(GRAY, **values))[:, :, 0]
        assert pixels[GRAY > 120].max() <= 1 and pixels[GRAY < 80].min() >= 254

    def test_several_frames_are_refused(self):
        with pytest.raises(errors.SeveralFrames):
            xray.decode(dicom(np.stack([GRAY, GRAY]), NumberOfFrames=2))

    def test_without_pixels_is_damaged(self):
        dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY)))
        del dataset.PixelData
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        with pytest.raises(errors.Damaged):
            xray.decode(buffer.getvalue())


def colourful():
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((32, 32, 1))).astype(np.uint8)


BAD = {
    "cut png": (lambda: encoded(Image.fromarray(GRAY))[:300], errors.Damaged),
    "cut jpeg": (lambda: encoded(Image.fromarray(GRAY), "JPEG")[:2000], errors.Damaged),
    "cut dicom": (lambda: dicom(GRAY)[:600], errors.Damaged),
    "gif": (lambda: encoded(Image.fromarray(GRAY), "GIF"), errors.Damaged),
    "26 megapixels": (lambda: encoded(Image.new("L", (5200, 5001))), errors.PictureTooLarge),
    "177 megapixels": (lambda: encoded(Image.new("1", (13_300, 13_300))), errors.PictureTooLarge),
    "1 x 1": (lambda: encoded(Image.new("L", (1, 1))), errors.NotAChestXray),
    "1 x 10,000": (lambda: encoded(Image.new("L", (1, 10_000))), errors.NotAChestXray),
    "blank": (lambda: encoded(Image.new("L", (300, 300), 128)), errors.NotAChestXray),
    "colourful": (lambda: encoded(Image.fromarray(colourful())), errors.NotAChestXray),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    make, error = BAD[name]
    with pytest.raises(error):
        xray.picture(make())


def test_resize_keeps_all_of_the_picture_and_smooths_where_it_shrinks():
    stripes = np.zeros((900, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    small = xray.resize(stripes)
    assert small.shape == (299, 299, 3) and np.abs(small[:, 5:-5].astype(int) - 127).max() < 20
