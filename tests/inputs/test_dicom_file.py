"""How DICOM files are put together: without preamble or headers, without a picture, and pydicom's own test files."""

import io
import time
from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.pixels import get_decoder

from compression import compressed
from pictures import dicom, phantom, rgb
from tosa import errors
from tosa.inputs import dicom as dicom_input
from tosa.inputs import dicom_codecs, dicom_file, dicom_signature, xray

GRAY = phantom()
DEEP = GRAY.astype(np.uint16) * 16
TWELVE = {"BitsStored": 12, "HighBit": 11}
NATIVE = [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian]


def rewritten(**elements) -> pydicom.Dataset:
    """A dataset with elements set, or taken out where they are None."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(DEEP, **TWELVE)))
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def saved(dataset: pydicom.Dataset, **options) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, **options)
    return buffer.getvalue()


def without_meta(syntax) -> bytes:
    """The elements alone, without preamble and meta header."""
    data = dicom(DEEP.astype(">u2").view("<u2") if syntax == uid.ExplicitVRBigEndian else DEEP, syntax, **TWELVE)
    first = b"\0\x08\0\x16" if syntax == uid.ExplicitVRBigEndian else b"\x08\0\x16\0"
    return data[data.index(first, 132) :]


@pytest.mark.parametrize("syntax", NATIVE)
def test_without_preamble_and_meta_header(syntax):
    data = without_meta(syntax)
    assert dicom_signature.begins_dicom(data)
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(DEEP, **TWELVE)))


@pytest.mark.parametrize("syntax", [*NATIVE, uid.DeflatedExplicitVRLittleEndian])
def test_without_preamble(syntax):
    values = DEEP.astype(">u2").view("<u2") if syntax == uid.ExplicitVRBigEndian else DEEP
    np.testing.assert_array_equal(
        xray.decode(dicom(values, syntax, **TWELVE)[132:]), xray.decode(dicom(DEEP, **TWELVE))
    )


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("value", [None, ""])
def test_without_transfer_syntax(syntax, value):
    values = DEEP.astype(">u2").view("<u2") if syntax == uid.ExplicitVRBigEndian else DEEP
    dataset = pydicom.dcmread(io.BytesIO(dicom(values, syntax, **TWELVE)))
    if value is None:
        del dataset.file_meta.TransferSyntaxUID
    else:
        dataset.file_meta.TransferSyntaxUID = value
    data = saved(dataset, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(DEEP, **TWELVE)))


@pytest.mark.parametrize("really", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian])
def test_the_elements_count_and_not_what_the_header_says_of_them(really):
    said = {
        uid.ImplicitVRLittleEndian: uid.ExplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian: uid.ImplicitVRLittleEndian,
    }
    meta, elements = dicom(DEEP, said[really], **TWELVE), without_meta(really)
    data = meta[: meta.index(b"\x08\0\x16\0", 132)] + elements
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(DEEP, **TWELVE)))


@pytest.mark.parametrize("syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless, uid.RLELossless])
@pytest.mark.parametrize("said", [b"1.2.840.10008.1.2.1", b""])
def test_compressed_pixels_in_a_file_that_says_they_are_not(syntax, said):
    data = compressed(DEEP, syntax, 12).replace(syntax.encode().ljust(22, b"\0"), said.ljust(22, b"\0"), 1)
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(DEEP, **TWELVE)))


def test_plain_pixels_in_a_file_that_says_they_are_compressed():
    meta = compressed(DEEP, uid.JPEGLosslessSV1, 12)
    data = meta[: meta.index(b"\x08\0\x16\0", 132)] + without_meta(uid.ExplicitVRLittleEndian)
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(DEEP, **TWELVE)))


def test_colour_without_planar_configuration_is_by_pixel():
    dataset = pydicom.dcmread(io.BytesIO(dicom(rgb(GRAY))))
    del dataset.PlanarConfiguration
    np.testing.assert_array_equal(xray.decode(saved(dataset)), rgb(GRAY))


def test_a_palette_that_is_missing_is_named():
    with pytest.raises(errors.MissingElement, match="RedPaletteColorLookupTableDescriptor"):
        xray.decode(dicom(GRAY, PhotometricInterpretation="PALETTE COLOR"))


@pytest.mark.parametrize(
    "data", [b"\x08\0\x16\0UI" + bytes(200), b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100\x08\0" + b"\1" * 99]
)
def test_what_only_begins_like_dicom_is_refused(data):
    with pytest.raises(errors.RequestError):
        xray.decode(data)


# --- no picture


@pytest.mark.parametrize(
    "kind, says",
    [
        (uid.BasicTextSRStorage, "Basic Text SR"), (uid.MediaStorageDirectoryStorage, "DICOMDIR"),
        (uid.EncapsulatedPDFStorage, "PDF"),
        (uid.DigitalXRayImageStorageForPresentation, "lacks the element PixelData"),
        ("1.2.3.4", "lacks the element PixelData"),
    ],
)  # fmt: skip
def test_a_file_without_picture_says_what_it_is(kind, says):
    dataset = rewritten(PixelData=None, Rows=None, Columns=None, SOPClassUID=kind)
    with pytest.raises(errors.NoPicture, match=says):
        xray.decode(saved(dataset))


def test_the_index_of_a_disc_names_no_class_of_its_own():
    dataset = rewritten(PixelData=None, Rows=None, SOPClassUID=None)
    dataset.file_meta.MediaStorageSOPClassUID = uid.MediaStorageDirectoryStorage
    with pytest.raises(errors.NoPicture, match="DICOMDIR"):
        xray.decode(saved(dataset))


@pytest.mark.parametrize("name", dicom_file.REQUIRED)
def test_a_missing_element_is_named(name):
    with pytest.raises(errors.MissingElement, match=f" {name} "):
        xray.decode(saved(rewritten(**{name: None})))


def test_high_bit_may_be_missing():
    np.testing.assert_array_equal(xray.decode(saved(rewritten(HighBit=None))), xray.decode(dicom(DEEP, **TWELVE)))


def test_floating_point_pixels_are_told():
    dataset = rewritten(PixelData=None)
    dataset.FloatPixelData = DEEP.astype("<f4").tobytes()
    with pytest.raises(errors.UnsupportedFormat, match="floating-point"):
        xray.decode(saved(dataset))


def test_frames_are_counted():
    with pytest.raises(errors.SeveralFrames, match="3 frames"):
        xray.decode(dicom(np.stack([GRAY] * 3), NumberOfFrames=3))


def test_a_file_cut_off_within_its_pixels_is_damaged():
    for data in (dicom(DEEP, **TWELVE)[:-999], dicom(GRAY, uid.JPEGLSLossless, bytes(9999))[:-999]):
        with pytest.raises(errors.Damaged):
            xray.decode(data)


# --- pydicom's own test files, which come with it

FOLDER = Path(pydicom.__file__).parent / "data"
FILES = sorted(
    file for file in FOLDER.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc", ".txt", ".md", ".json")
)
REFUSED = {  # by what they are; what pydicom itself cannot read is among them
    "JPEG2000-embedded-sequence-delimiter.dcm": errors.Damaged,  # its size is overwritten
    "MR_truncated.dcm": errors.Damaged,
    "meta_missing_tsyntax.dcm": errors.MissingElement,
    "nested_priv_SQ.dcm": errors.MissingElement,
}


def reference(dataset: pydicom.Dataset, file: Path) -> np.ndarray:
    """The stored values as pydicom gives them with another decoder than Tosa's, where it has one.

    pydicom does not use GDCM for JPEG of 12 bits, which GDCM reads.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == uid.JPEGExtended12Bit:
        reader = gdcm.ImageReader()
        reader.SetFileName(str(file))
        assert reader.Read()
        values = np.frombuffer(reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape"), "<u2")
        return values.reshape(dataset.Rows, dataset.Columns)
    others = [name for name in get_decoder(syntax).available_plugins if name != dicom_codecs.PLUGIN]
    return get_decoder(syntax).as_array(dataset, decoding_plugin=others[0] if others else "")[0]


def holds_one_picture(dataset: pydicom.Dataset) -> bool:
    frames = str(dataset.get("NumberOfFrames") or 1)
    return "PixelData" in dataset and "Rows" in dataset and frames == "1" and dataset.BitsAllocated <= 16


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_pydicoms_own_files(file):
    data = file.read_bytes()
    theirs = pydicom.dcmread(file, force=True)
    if not dicom_signature.begins_dicom(data):
        assert data[128:132] != b"DICM"
        return
    if file.name in REFUSED:
        with pytest.raises(REFUSED[file.name]):
            xray.decode(data)
    elif holds_one_picture(theirs):
        ours = dicom_input.stored_values(dicom_file.read(data))
        expected = reference(theirs, file)
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)
        assert xray.decode(data).dtype == np.uint8
    else:
        several = str(theirs.get("NumberOfFrames") or 1) not in ("1", "1A")
        with pytest.raises(
            errors.SeveralFrames if several else (errors.NoPicture, errors.UnsupportedFormat)
        ) as refused:
            xray.decode(data)
        assert not isinstance(refused.value, errors.Damaged)


def test_pydicom_has_these_files():
    assert len(FILES) > 150


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.JPEGLSLossless])
def test_without_the_128_bytes_before_dicm(syntax):
    make = dicom if syntax == uid.ExplicitVRLittleEndian else compressed
    data = make(DEEP, syntax, **TWELVE)[128:]
    assert dicom_signature.begins_dicom(data)
    np.testing.assert_array_equal(xray.decode(data), xray.decode(dicom(DEEP, **TWELVE)))


@pytest.mark.parametrize(("name", "value"), [("Rows", 0), ("Columns", 0), ("BitsStored", 0), ("BitsStored", 17)])
def test_an_impossible_element_is_named(name, value):
    with pytest.raises(errors.CannotJudge, match=f"{name} is {value}") as raised:
        xray.decode(saved(rewritten(**{name: value})))
    assert raised.value.code != "damaged"


def palette(bits: int, entries: np.ndarray) -> dict:
    names = ("Red", "Green", "Blue")
    described = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, bits] for name in names}
    data = {f"{name}PaletteColorLookupTableData": entries.astype("<u2").tobytes() for name in names}
    return {"PhotometricInterpretation": "PALETTE COLOR", **described, **data}


@pytest.mark.parametrize("step", [1, 257])
def test_a_palette_says_16_bits_and_holds_8_or_16(step):
    ramp = np.arange(256) * step
    np.testing.assert_array_equal(xray.decode(dicom(GRAY, **palette(16, ramp)))[:, :, 0], GRAY)


def test_palette_data_that_are_missing_are_named():
    elements = palette(8, np.arange(256))
    del elements["GreenPaletteColorLookupTableData"]
    with pytest.raises(errors.MissingElement, match="GreenPaletteColorLookupTableData"):
        xray.decode(dicom(GRAY, **elements))


@pytest.mark.parametrize("after", [bytes(8_000_000), b"\x01\x02\x03" * 99], ids=["zeros", "nonsense"])
def test_what_follows_the_pixels_is_not_read(after):
    data = dicom(DEEP, **TWELVE)
    start = time.process_time()
    np.testing.assert_array_equal(xray.decode(data + after), xray.decode(data))
    assert time.process_time() - start < 1  # 8 MB of empty elements take pydicom 4 s


def view_code(meaning: str) -> pydicom.Dataset:
    code = pydicom.Dataset()
    code.CodeMeaning = meaning
    return code


@pytest.mark.parametrize("meaning", ["left lateral", "Lateral"])
def test_a_view_code_says_that_a_view_is_lateral(meaning):
    with pytest.raises(errors.NotAChestXray, match="lateral"):
        xray.picture(saved(rewritten(ViewCodeSequence=[view_code(meaning)])))
    assert xray.picture(saved(rewritten(ViewCodeSequence=[view_code("postero-anterior")]))).any()


@pytest.mark.parametrize("part", ["C-SPINE", "Hand L", "LUMBAR SPINE", "SHOULDER_R"])
def test_other_parts_of_the_body_with_hyphens_and_sides(part):
    with pytest.raises(errors.NotAChestXray, match="another part of the body"):
        xray.picture(dicom(GRAY, BodyPartExamined=part))
    assert xray.picture(dicom(GRAY, BodyPartExamined="CHEST_ABDOMEN")).any()
