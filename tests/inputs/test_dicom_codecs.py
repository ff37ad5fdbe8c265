"""Compressed DICOM: the stored values that went in, whatever the compression, and refusals before decoding."""

import re

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate, generate_frames

from compression import LOSSLESS, LOSSY, compressed, deflated, frame, resized
from pictures import dicom, encoded, phantom, rgb
from tosa import errors, settings
from tosa.inputs import codestream, dicom_file, xray
from tosa.inputs import dicom as dicom_input

GRAY = phantom()  # uint8 (240, 320)
DEEP = GRAY.astype(np.uint16) * 16 + np.arange(320, dtype=np.uint16) % 16  # 12 bits


def stored(data: bytes) -> np.ndarray:
    return dicom_input.stored_values(dicom_file.read(data))


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("values, bits", [(GRAY, 8), (DEEP, 12), (DEEP * 16, 16)], ids=["8 bits", "12 bits", "16 bits"])
def test_lossless_ones_give_what_was_stored(syntax, values, bits):
    data = compressed(values, syntax, bits)
    np.testing.assert_array_equal(stored(data), values)
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(values, BitsStored=bits, HighBit=bits - 1)))


@pytest.mark.parametrize("syntax", LOSSY)
def test_lossy_ones_give_about_what_was_stored(syntax):
    assert np.abs(stored(compressed(DEEP, syntax, 12)).astype(int) - DEEP).mean() < 8  # of 4,096


@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless])
def test_colour(syntax):
    colours = np.dstack([GRAY, 255 - GRAY, GRAY // 2])
    np.testing.assert_array_equal(stored(compressed(colours, syntax)), colours)


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless])
def test_signed_values_of_12_bits(syntax):
    signed = DEEP.astype(np.int16) - 2048
    words = signed.view(np.uint16) & 0xFFF
    data = compressed(words, syntax, 12, PixelRepresentation=1)
    np.testing.assert_array_equal(stored(data), signed)


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless])
def test_an_overlay_in_the_unused_bits_is_masked(syntax):
    overlaid = DEEP | (np.indices(DEEP.shape).sum(0) % 7 == 0).astype(np.uint16) << 12
    np.testing.assert_array_equal(stored(compressed(overlaid, syntax, 16, BitsStored=12, HighBit=11)), DEEP)


def test_lossy_values_that_overshoot_stay_white():
    over = np.where(DEEP > 2000, 4095, 0).astype(np.uint16)  # edges overshoot in JPEG 2000
    data = compressed(over, uid.JPEG2000, 16, BitsStored=12, HighBit=11)
    decoded = imagecodecs.jpeg2k_decode(frame(over, uid.JPEG2000))
    assert decoded.max() > 4095
    np.testing.assert_array_equal(stored(data), decoded.clip(0, 4095))


def test_deflated():
    np.testing.assert_array_equal(stored(deflated(DEEP, BitsStored=12, HighBit=11)), DEEP)


def test_a_jpeg_2000_file_in_place_of_a_codestream():
    file = encoded(Image.fromarray(GRAY), "JPEG2000")
    assert file[4:8] == b"jP  "
    np.testing.assert_array_equal(stored(dicom(GRAY, uid.JPEG2000Lossless, file)), GRAY)


@pytest.mark.parametrize("said", [uid.JPEGBaseline8Bit, uid.JPEG2000Lossless, uid.JPEGLSLossless])
@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_the_codestream_counts_and_not_what_the_file_says_of_it(syntax, said):
    data = dicom(DEEP, said, frame(DEEP, syntax, 12), BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(stored(data), DEEP)


def test_a_frame_in_several_fragments():
    whole = frame(DEEP, uid.JPEGLSLossless, 12)
    pieces = encapsulate([whole], fragments_per_frame=4)
    assert next(generate_frames(pieces, number_of_frames=1)).rstrip(b"\0") == whole.rstrip(b"\0")
    dataset = dicom_file.read(compressed(DEEP, uid.JPEGLSLossless, 12))
    dataset.PixelData = pieces
    np.testing.assert_array_equal(dicom_input.stored_values(dataset), DEEP)


CODESTREAMS = [uid.JPEGLosslessSV1, uid.JPEGExtended12Bit, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.HTJ2KLossless]


@pytest.mark.parametrize("syntax", [*CODESTREAMS, uid.JPEGBaseline8Bit])
@pytest.mark.parametrize("width, height", [(65_535, 65_535), (320, 24_000), (16, 16)])
def test_another_size_in_the_codestream_is_refused_before_it_is_decoded(syntax, width, height, monkeypatch):
    for decoder in ("jpeg8_decode", "jpegls_decode", "jpeg2k_decode"):
        monkeypatch.setattr(imagecodecs, decoder, None)
    baseline = syntax == uid.JPEGBaseline8Bit
    values = GRAY if baseline else DEEP
    one = encoded(Image.fromarray(GRAY), "JPEG") if baseline else frame(DEEP, syntax, 12)
    data = dicom(values, syntax, resized(one, width, height), **{} if baseline else {"BitsStored": 12, "HighBit": 11})
    with pytest.raises(errors.Damaged, match=f"{width} x {height}"):
        xray.decode(data)


@pytest.mark.parametrize("syntax", CODESTREAMS)
def test_the_same_large_size_in_both_headers_is_refused_before_it_is_decoded(syntax, monkeypatch):
    monkeypatch.setattr(codestream, "decode_codestream", None)
    data = dicom(DEEP, syntax, resized(frame(DEEP, syntax, 12), 6000, 6000), Rows=6000, Columns=6000)
    with pytest.raises(errors.PictureTooLarge, match="25 megapixels"):
        xray.decode(data)


@pytest.mark.parametrize("syntax", [*CODESTREAMS, uid.RLELossless])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_cut_frame_is_damaged(syntax, share):
    whole = frame(DEEP, syntax, 12)
    cut = whole[: -max(1, int(share * len(whole))) - 4]
    with pytest.raises(errors.Damaged):
        xray.decode(dicom(DEEP, syntax, cut, BitsStored=12, HighBit=11))


@pytest.mark.parametrize("syntax", [*LOSSLESS, *LOSSY])
def test_junk_is_damaged(syntax):
    with pytest.raises(errors.Damaged):
        xray.decode(dicom(GRAY, syntax, b"\xff\xd8\xff\xc3 junk"))


def test_an_rle_segment_that_never_ends_is_given_up():
    header = np.array([1, 64, *[0] * 14], "<u4").tobytes()
    with pytest.raises(errors.Damaged):
        xray.decode(dicom(GRAY, uid.RLELossless, header + b"\x81\0" * 1_000_000))


def test_an_rle_segment_with_a_run_past_its_end_is_read():
    whole = frame(GRAY, uid.RLELossless)
    np.testing.assert_array_equal(stored(dicom(GRAY, uid.RLELossless, whole + b"\x81\0")), GRAY)


def test_a_deflated_bomb_is_too_large(monkeypatch):
    monkeypatch.setattr(settings, "MAX_DECODED_BYTES", 2**20)
    data = deflated(np.zeros((1000, 1000, 3), np.uint8))
    assert len(data) < 2**14
    with pytest.raises(errors.PictureTooLarge):
        dicom_file.read(data)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.82", "1.2.3.4.5.6.7.8.9.10.1"]
)
def test_other_compressions_are_named(syntax):
    data = dicom(GRAY, uid.JPEGLosslessSV1, b"anything").replace(uid.JPEGLosslessSV1.encode(), syntax.encode())
    with pytest.raises(errors.CompressedDicom, match=re.escape(uid.UID(syntax).name)):
        xray.decode(data)


@pytest.mark.parametrize("kind", ["12 bits", "lossless", "JPEG-LS"])
def test_medical_jpeg_files_without_dicom_around_them(kind):
    syntax = {"12 bits": uid.JPEGExtended12Bit, "lossless": uid.JPEGLossless, "JPEG-LS": uid.JPEGLSLossless}[kind]
    pixels = xray.decode(frame(DEEP, syntax, 12))[:, :, 0]
    span = (DEEP.astype(float) - DEEP.min()) / np.ptp(DEEP) * 255
    assert np.abs(pixels - span).mean() < 2


def test_gray_stored_as_rgb_is_gray():
    data = compressed(rgb(GRAY), uid.JPEG2000Lossless, PhotometricInterpretation="YBR_RCT")
    np.testing.assert_array_equal(xray.decode(data), rgb(GRAY))
