"""How a DICOM file begins; this imports nothing, since the server asks it of every upload."""

PREAMBLE_BYTES = 128
MARK = b"DICM"


def begins_dicom(data: bytes) -> bool:
    """Whether the first bytes are those of a DICOM file, with or without preamble and meta header."""
    begins_meta_header = data[:2] == b"\x02\0" and data[4:6] in (b"UL", b"OB", b"UI")
    return start_of_elements(data) > 0 or begins_meta_header or _begins_dataset(data)


def start_of_elements(data: bytes) -> int:
    """Returns where the elements begin: after 128 bytes of anything and DICM, after DICM alone, or at 0 without it."""
    for start in (PREAMBLE_BYTES, 0):
        if data.startswith(MARK, start):
            return start + len(MARK)
    return 0


def _begins_dataset(data: bytes) -> bool:
    """Whether data begins with an element of group 0008, the first of a dataset, of a length that makes sense."""
    if len(data) < 16 or data[:2] not in (b"\x08\0", b"\0\x08"):
        return False
    big = data[:1] == b"\0"
    if int.from_bytes(data[2:4], "big" if big else "little") > 0x0100:
        return False
    if data[4:6].isupper():  # its type: explicit VR
        return data[4:6] in (b"UL", b"CS", b"UI", b"DA", b"TM", b"DT", b"LO", b"SH", b"SQ")
    length = int.from_bytes(data[4:8], "little")
    return not big and length <= 256 and data[8 + length : 10 + length] in (b"\x08\0", b"\x10\0")
