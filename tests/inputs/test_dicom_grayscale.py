"""DICOM's grayscale pipeline: levels as the formulas of PS3.3, C.11.1 and C.11.2, give them, computed here again."""

import numpy as np
import pytest
from pydicom import uid

from compression import compressed, lookup_table
from pictures import dicom, phantom
from tosa.inputs import dicom as dicom_input
from tosa.inputs import dicom_file, xray

GRAY = phantom()
DEEP = GRAY.astype(np.uint16) * 16 + np.arange(320, dtype=np.uint16) % 16  # 12 bits, 320 to 3,211
TWELVE = {"BitsStored": 12, "HighBit": 11}
CURVE = ((np.arange(4096) / 4095) ** 0.6 * 4095).round().astype(np.uint16)  # a table of 12 bits
BRIGHTER = {"WindowCenter": 2048, "WindowWidth": 4096}  # the whole range of 12 bits


def shown(stored, **elements) -> np.ndarray:
    return xray.decode(dicom(stored, **TWELVE | elements))[:, :, 0]


def windowed(values, centre: float, width: float, function: str = "LINEAR") -> np.ndarray:
    """PS3.3, C.11.2.1.2 and C.11.2.1.3, with 0 and 255 as the output's ends."""
    values = values.astype(float)
    if function == "SIGMOID":
        return 255 / (1 + np.exp(-4 * (values - centre) / width))
    if function == "LINEAR_EXACT":
        return (((values - centre) / width + 0.5) * 255).clip(0, 255)
    return (((values - (centre - 0.5)) / (width - 1) + 0.5) * 255).clip(0, 255)


def spread(values) -> np.ndarray:
    """The values' own range as 0 to 255."""
    return (values.astype(float) - values.min()) / np.ptp(values) * 255


def same(pixels, expected) -> None:
    np.testing.assert_allclose(pixels.astype(float), expected, atol=0.51)


# --- High Bit


@pytest.mark.parametrize("high", [11, 12, 13, 14, 15])
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_high_bit_says_where_the_value_is_in_its_word(high, syntax):
    words = DEEP << high - 11
    make = compressed if syntax == uid.RLELossless else dicom
    same(xray.decode(make(words, syntax, BitsStored=12, HighBit=high, **BRIGHTER))[:, :, 0], windowed(DEEP, 2048, 4096))


@pytest.mark.parametrize("high", [11, 15])
def test_signed_values_keep_their_sign_wherever_they_are_in_the_word(high):
    signed = DEEP.astype(np.int16) - 2048
    words = (signed.view(np.uint16) & 0xFFF) << high - 11
    data = dicom(words, BitsStored=12, HighBit=high, PixelRepresentation=1)
    np.testing.assert_array_equal(dicom_input.stored_values(dicom_file.read(data)), signed)


def test_other_bits_of_the_word_do_not_count():
    overlay = (np.indices(DEEP.shape).sum(0) % 3).astype(np.uint16)
    same(shown(DEEP | overlay << 12, **BRIGHTER), windowed(DEEP, 2048, 4096))
    words = DEEP << 4 | overlay
    same(shown(words, HighBit=15, **BRIGHTER), windowed(DEEP, 2048, 4096))


@pytest.mark.parametrize("high", [3, 16, 99])
def test_a_high_bit_that_cannot_be_is_ignored(high):
    same(shown(DEEP, HighBit=high, **BRIGHTER), windowed(DEEP, 2048, 4096))


# --- windows


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("centre, width", [(2048, 4096), (1500, 1000), (1500.5, 333.3)])
def test_windows(function, centre, width):
    elements = {"VOILUTFunction": function, "WindowCenter": centre, "WindowWidth": width}
    same(shown(DEEP, **elements), windowed(DEEP, centre, width, function))


def test_the_first_of_several_windows_that_shows_something():
    same(shown(DEEP, WindowCenter=[1500, 2048], WindowWidth=[1000, 4096]), windowed(DEEP, 1500, 1000))
    same(shown(DEEP, WindowCenter=[0, 2048], WindowWidth=[1, 4096]), windowed(DEEP, 2048, 4096))


NO_WINDOW = {
    "0/1": {"WindowCenter": 0, "WindowWidth": 1},
    "far above": {"WindowCenter": 40_000, "WindowWidth": 100},
    "far below": {"WindowCenter": -9_000, "WindowWidth": 100},
    "no width": {"WindowCenter": 2048, "WindowWidth": 0},
    "less than no width": {"WindowCenter": 2048, "WindowWidth": -5},
    "no centre": {"WindowWidth": 4096},
    "empty": {"WindowCenter": None, "WindowWidth": None},
    "as wide as a grain": {"VOILUTFunction": "LINEAR_EXACT", "WindowCenter": 1500, "WindowWidth": 0.001},
    "of a million": {"WindowCenter": 2e6, "WindowWidth": 1e6},
}


@pytest.mark.parametrize("name", NO_WINDOW)
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_that_shows_nothing_gives_way_to_the_range_of_the_values(name, kind):
    expected = spread(DEEP) if kind == "MONOCHROME2" else 255 - spread(DEEP)
    same(shown(DEEP, PhotometricInterpretation=kind, **NO_WINDOW[name]), expected)


@pytest.mark.parametrize("centre", [b"abc   ", b"1,5e3 ", b"nan   ", b"2048\\x"])
def test_a_malformed_window_is_as_if_missing(centre):
    data = dicom(DEEP, **TWELVE, WindowCenter="999999", WindowWidth=4096).replace(b"999999", centre)
    expected = spread(DEEP) if not centre.startswith(b"2048") else windowed(DEEP, 2048, 4096)
    same(xray.decode(data)[:, :, 0], expected)


# --- Modality LUT and rescale


def test_rescale_comes_before_the_window():
    same(shown(DEEP, RescaleSlope=0.5, RescaleIntercept=-100, WindowCenter=700, WindowWidth=1500),
         windowed(DEEP * 0.5 - 100, 700, 1500))  # fmt: skip


def test_a_slope_of_zero_is_as_if_missing():
    same(shown(DEEP, RescaleSlope=0, RescaleIntercept=0, **BRIGHTER), windowed(DEEP, 2048, 4096))


@pytest.mark.parametrize("bits", [12, 16])
def test_modality_table_then_window(bits):
    table = lookup_table([4096, 0, bits], CURVE.tobytes())
    same(shown(DEEP, ModalityLUTSequence=[table], **BRIGHTER), windowed(CURVE[DEEP], 2048, 4096))


def test_modality_table_of_signed_values():
    signed = DEEP.astype(np.int16) - 2048
    table = lookup_table([4096, -2048, 12], CURVE.tobytes())
    elements = dict(PixelRepresentation=1, ModalityLUTSequence=[table], **BRIGHTER)
    same(shown(signed.view(np.uint16) & 0xFFF, **elements), windowed(CURVE[DEEP], 2048, 4096))


# --- VOI LUT


def test_values_beside_a_table_get_its_ends():
    table = lookup_table([1000, 1000, 12], CURVE[1000:2000].tobytes())
    same(shown(DEEP, VOILUTSequence=[table]), CURVE[DEEP.clip(1000, 1999)] / 4095 * 255)


EIGHT = (CURVE >> 4).astype(np.uint8)
TABLES = {  # descriptor, data, what it holds, what is white in it
    "16 bits": ([4096, 0, 16], (CURVE * 16).tobytes(), CURVE * 16.0, 65_535),
    "12 bits": ([4096, 0, 12], CURVE.tobytes(), CURVE, 4095),
    "8 bits in bytes": ([4096, 0, 8], EIGHT.tobytes(), EIGHT, 255),
    "8 bits in words": ([4096, 0, 8], EIGHT.astype("<u2").tobytes(), EIGHT, 255),
    "says 16, holds 12": ([4096, 0, 16], CURVE.tobytes(), CURVE, 4095),
    "says 16, holds 8 in words": ([4096, 0, 16], EIGHT.astype("<u2").tobytes(), EIGHT, 255),
    "says 8, holds 12": ([4096, 0, 8], CURVE.tobytes(), CURVE, 4095),
    "says 12, holds 16": ([4096, 0, 12], (CURVE * 16).tobytes(), CURVE * 16.0, 65_535),
    "says nothing of bits": ([4096, 0, 0], CURVE.tobytes(), CURVE, 4095),
    "a dark one of 12 bits": ([4096, 0, 12], (CURVE // 2).tobytes(), CURVE // 2, 4095),
    "says 4,096, holds 4,000": ([4096, 0, 12], CURVE[:4000].tobytes(), CURVE, 4095),
    "says 4,000, holds 4,096": ([4000, 0, 12], CURVE.tobytes(), CURVE, 4095),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
def test_tables_of_interest(name, syntax):
    descriptor, data, values, white = TABLES[name]
    expected = values[DEEP] / white * 255
    same(xray.decode(dicom(DEEP, syntax, **TWELVE, VOILUTSequence=[lookup_table(descriptor, data)]))[:, :, 0], expected)


def test_a_table_for_all_65536_values():
    entries = np.arange(65_536, dtype="<u2")[::-1]
    table = lookup_table([0, 0, 16], entries.tobytes())
    same(shown(DEEP * 16, BitsStored=16, HighBit=15, VOILUTSequence=[table]), 255 - DEEP * 16 / 65_535 * 255)


def test_a_table_comes_before_a_window_and_after_rescale():
    table = lookup_table([2048, 0, 12], CURVE[::2].tobytes())
    elements = {
        "RescaleSlope": 0.5,
        "RescaleIntercept": 0,
        "VOILUTSequence": [table],
        "WindowCenter": 9,
        "WindowWidth": 9,
    }
    expected = CURVE[::2][(DEEP * 0.5).round().astype(int)] / 4095 * 255
    same(shown(DEEP, **elements), expected)


@pytest.mark.parametrize(
    "table", [([4096, 0, 12], b""), ([4096, 0, 12], bytes(8192)), ([4096, 0, 12], b"\0\1"), ([0, 0, 0], b"")]
)
def test_a_table_that_shows_nothing_gives_way_to_the_window(table):
    same(shown(DEEP, VOILUTSequence=[lookup_table(*table)], **BRIGHTER), windowed(DEEP, 2048, 4096))


# --- no window at all: the range of the values, outliers left out


def test_without_outliers_the_range_is_that_of_all_values():
    same(shown(DEEP), spread(DEEP))


def test_one_hot_pixel_does_not_darken_the_picture():
    hot = DEEP.copy()
    hot[3, 5] = 65_535
    pixels = shown(hot, BitsStored=16, HighBit=15)
    assert pixels[3, 5] == 255
    expected = spread(DEEP)
    expected[3, 5] = 255
    same(pixels, expected)


@pytest.mark.parametrize("value", [0, 12_000, 65_535])
def test_a_side_marker_does_not_change_the_picture(value):
    marked = DEEP.copy()
    marked[8:28, 8:38] = value  # 0.8 % of the picture
    pixels = shown(marked, BitsStored=16, HighBit=15).astype(float)
    pixels[8:28, 8:38] = spread(DEEP)[8:28, 8:38]
    same(pixels, spread(DEEP))


def test_a_dead_column_does_not_matter():
    signed = DEEP.astype(np.int16)
    signed[:, 7] = -30_000
    pixels = shown(signed.view(np.uint16), BitsStored=16, HighBit=15, PixelRepresentation=1)
    same(np.delete(pixels, 7, 1), spread(np.delete(DEEP, 7, 1)))


# --- which end is white


@pytest.mark.parametrize(
    "kind, shape, inverted",
    [
        ("MONOCHROME2", None, False), ("MONOCHROME2", "IDENTITY", False), ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", None, True), ("MONOCHROME1", "INVERSE", True), ("MONOCHROME1", "IDENTITY", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("elements", [BRIGHTER, {}], ids=["window", "none"])
def test_polarity(kind, shape, inverted, elements):
    pixels = shown(DEEP, PhotometricInterpretation=kind, PresentationLUTShape=shape, **elements)
    expected = windowed(DEEP, 2048, 4096) if elements else spread(DEEP)
    same(pixels, 255 - expected if inverted else expected)


# --- Tables and windows that differ from what they claim


@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize("described", [0, 256])
def test_a_table_of_another_length_than_its_descriptor_says_keeps_its_words(kind, described):
    """It holds 4,096 words of 12 bits. Described are 65,536, of which they could be pairs of bytes, or fewer."""
    table = lookup_table([described, 0, 12], CURVE.tobytes())
    values = dicom_input.decode_dicom(dicom(DEEP, **TWELVE, **{kind: [table]})).pixels
    looked_up = CURVE[DEEP].astype(float)
    same(values, looked_up / 4095 * 255 if kind == "VOILUTSequence" else spread(looked_up))


@pytest.mark.parametrize("kind", ["VOILUTSequence", "ModalityLUTSequence"])
def test_a_table_of_one_value_is_as_if_missing(kind):
    table = lookup_table([4096, 0, 12], bytes(8192))
    same(shown(DEEP, **{kind: [table]}), spread(DEEP))


def test_a_window_that_hides_all_differences_gives_way_to_the_range_of_the_values():
    same(shown(DEEP, WindowCenter=32768, WindowWidth=65536), spread(DEEP))
