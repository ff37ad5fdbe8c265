import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid

from pictures import dicom, encoded, phantom, rgb
from tosa import errors
from tosa.inputs import dicom as dicom_input
from tosa.inputs import xray

GRAY = phantom()  # uint8 (240, 320), brighter to the right


@pytest.mark.parametrize("side, bits, fits", [(4900, 8, True), (4500, 16, True), (5100, 8, False), (4800, 16, False)])
def test_a_coloured_one_counts_three_samples_a_pixel(side, bits, fits):
    large = dicom(np.zeros((8, 8, 3), f"u{bits // 8}"), Rows=side, Columns=side)
    with pytest.raises(errors.RequestError) as refused:
        xray.decode(large)
    assert isinstance(refused.value, errors.PictureTooLarge) != fits  # what fits is cut off all the same


def test_monochrome1_is_inverted():
    plain, inverted = dicom(GRAY), dicom(GRAY, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(xray.decode(inverted).astype(int), 255 - xray.decode(plain).astype(int), atol=1)


def test_window_applies_after_the_modality_lut():
    stored = GRAY.astype(np.uint16)
    values = {"RescaleSlope": 2, "RescaleIntercept": -100, "WindowCenter": 100, "WindowWidth": 100}
    pixels = xray.decode(dicom(stored, **values))[:, :, 0]
    hounsfield = stored.astype(float) * 2 - 100
    assert pixels[hounsfield < 50].max() <= 1 and pixels[hounsfield > 151].min() >= 254


def test_window_then_monochrome1():
    values = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 100, "WindowWidth": 20}
    pixels = xray.decode(dicom(GRAY, **values))[:, :, 0]
    assert pixels[GRAY > 120].max() <= 1 and pixels[GRAY < 80].min() >= 254


def test_what_is_outside_the_window_does_not_stretch_it():
    within = dicom(GRAY, WindowCenter=128, WindowWidth=256)
    np.testing.assert_allclose(xray.decode(within)[:, :, 0], GRAY, atol=1)


def test_a_negative_slope_inverts():
    values = {"RescaleSlope": -1, "RescaleIntercept": 255, "WindowCenter": 128, "WindowWidth": 256}
    np.testing.assert_allclose(xray.decode(dicom(GRAY, **values))[:, :, 0], 255.0 - GRAY, atol=1)


def test_lookup_table_of_interest():
    table = pydicom.Dataset()
    table.LUTDescriptor = [256, 0, 16]
    table.LUTData = np.arange(0, 2**15, 128, np.uint16).tobytes()  # half of what 16 bits hold
    pixels = xray.decode(dicom(GRAY, VOILUTSequence=[table]))[:, :, 0]
    np.testing.assert_allclose(pixels, GRAY / 2, atol=1)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "filling, elements",
    [
        (65535, {"PixelPaddingValue": 65535}),
        (63000, {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 60000}),
        (65535, {"PixelPaddingValue": 65535, "WindowCenter": 1024, "WindowWidth": 2048}),
    ],
)
def test_what_fills_up_the_frame_is_black_and_not_in_the_scale(kind, filling, elements):
    stored = GRAY.astype(np.uint16) * 8
    framed = np.pad(stored, 5, constant_values=filling)
    values = {name: value for name, value in elements.items() if name.startswith("Window")}
    pixels = xray.decode(dicom(framed, PhotometricInterpretation=kind, **elements))
    alone = xray.decode(dicom(stored, PhotometricInterpretation=kind, **values))
    np.testing.assert_array_equal(pixels[5:-5, 5:-5], alone)
    assert pixels[:5].max() == pixels[:, -5:].max() == 0


@pytest.mark.parametrize(
    "elements",
    [
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleSlope": None, "RescaleIntercept": -9},
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": [], "WindowWidth": 100},
        {"VOILUTFunction": "SIGMOID", "WindowCenter": 9, "WindowWidth": 0},
        {"VOILUTFunction": "ODD"},
        {"VOILUTSequence": []},
        {"PixelPaddingValue": None},
    ],
)
def test_empty_elements_are_as_if_missing(elements):
    np.testing.assert_array_equal(xray.decode(dicom(GRAY, **elements)), xray.decode(dicom(GRAY)))


def test_palette():
    inverting = (np.arange(256)[::-1] * 257).astype("<u2").tobytes()
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{name}PaletteColorLookupTableData"] = inverting
    np.testing.assert_array_equal(xray.decode(dicom(GRAY, **elements)), 255 - rgb(GRAY))


def test_colour_stored_as_brightness_and_chroma():
    gray = np.dstack([GRAY, np.full_like(GRAY, 128), np.full_like(GRAY, 128)])
    pixels = xray.decode(dicom(gray, PhotometricInterpretation="YBR_FULL"))
    np.testing.assert_allclose(pixels, rgb(GRAY).astype(int), atol=2)


def test_a_large_jpeg_in_a_small_header_is_not_decoded():
    jpeg = encoded(Image.new("L", (5100, 5000), 77), "JPEG")
    with pytest.raises(errors.Damaged, match="5100 x 5000"):
        xray.decode(dicom(GRAY[:64, :64], uid.JPEGBaseline8Bit, jpeg))


def test_more_than_16_bits_are_refused():
    with pytest.raises(errors.UnsupportedFormat, match="32 bits"):
        xray.decode(dicom(GRAY.astype(np.uint32)))


def test_several_frames_are_refused():
    with pytest.raises(errors.SeveralFrames):
        xray.decode(dicom(np.stack([GRAY, GRAY]), NumberOfFrames=2))


# --- what the file says of the picture


@pytest.mark.parametrize(
    "text, years",
    [("045Y", 45), ("010M", 10 / 12), ("003W", 21 / 365.25), ("005D", 5 / 365.25), (" 7Y", 7),
     ("", None), ("45", None), ("Y045", None), ("-1Y", None), ("45 years", None), ("9999Y", None)],
)  # fmt: skip
def test_age(text, years):
    assert dicom_input.years(text) == (years and pytest.approx(years))


def test_the_age_comes_with_the_picture_and_may_be_nonsense():
    assert dicom_input.decode_dicom(dicom(GRAY, PatientAge="045Y")).age_years == 45
    data = dicom(GRAY, PatientAge="045Y").replace(b"045Y", b"\xff\0\\Y")
    assert dicom_input.decode_dicom(data).age_years is None


@pytest.mark.parametrize("view", ["LL", "RL", "LATERAL", " ll "])
def test_a_lateral_view_is_refused_with_that_reason(view):
    data = dicom(GRAY, ViewPosition=view)
    with pytest.raises(errors.NotAChestXray, match="lateral view"):
        xray.picture(data)
    assert xray.decode(data).shape == (*GRAY.shape, 3)  # whoever trains on such may


@pytest.mark.parametrize("part", ["HAND", "ABDOMEN", "Skull", "LSPINE", "PELVIS"])
def test_another_part_of_the_body_is_refused_with_that_reason(part):
    with pytest.raises(errors.NotAChestXray, match=f"another part of the body.*{part.upper()}"):
        xray.picture(dicom(GRAY, BodyPartExamined=part))


@pytest.mark.parametrize(
    "elements", [{"ViewPosition": view, "BodyPartExamined": part} for view in ("PA", "AP", "", None, "odd")
                 for part in ("CHEST", "PORT CHEST", "THORAX", "TORAX", "LUNG", "RIBS", "", None, "odd")],
)  # fmt: skip
def test_frontal_chests_are_judged(elements):
    assert xray.picture(dicom(GRAY, **elements)).shape == (xray.SIZE, xray.SIZE, 3)


def test_a_long_segmented_palette_is_refused():
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [0, 0, 16]
        elements[f"Segmented{name}PaletteColorLookupTableData"] = b"\0\0\1\0\7\0" + b"\1\0\xff\xff\7\0" * 50_000
    with pytest.raises(errors.UnsupportedFormat, match="palette"):
        xray.decode(dicom(GRAY, **elements))


def test_other_colours_are_named():
    with pytest.raises(errors.UnsupportedFormat, match="YBR_PARTIAL_420"):
        xray.decode(dicom(np.dstack([GRAY] * 3), PhotometricInterpretation="YBR_PARTIAL_420"))
