"""Names of picture and document formats that Tosa does not read, so that a refusal can say what was sent."""

SIGNATURES = {  # the first bytes of a file
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"%PDF": "a PDF document",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"8BPS": "a Photoshop document",
    b"II+\0": "a BigTIFF picture",
    b"MM\0+": "a BigTIFF picture",
    b"II\xbc": "a JPEG XR picture",
    b"\0\0\1\0": "a Windows icon",
    b"%!PS": "a PostScript document",
    b"PK\3\4": "a ZIP archive",
    b"PK\5\6": "an empty ZIP archive",
    b"BZh": "a file compressed with bzip2",
    b"\xfd7zXZ\0": "a file compressed with xz",
    b"\x28\xb5\x2f\xfd": "a file compressed with Zstandard",
    b"\x76\x2f\x31\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance picture",
    b"ObjectType": "a MetaImage volume",
    b"\x1f\x8b": "a file compressed with gzip",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x93NUMPY": "a NumPy array",
    b"NRRD": "an NRRD volume",
    b"\x5c\1\0\0": "a NIfTI volume",
    b"SIMPLE  =": "a FITS picture",
}
BRANDS = {  # of ISO media files, which videos and sounds are too
    "an AVIF picture": (b"avif", b"avis"),
    "a HEIC photo": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
}
TEXTS = {b"<svg": "an SVG drawing", b"<!doctype html": "an HTML page", b"<html": "an HTML page"}
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes, by which two letters of text are told from a BMP


def name_format(data: bytes) -> str | None:
    """What a file is that Tosa does not read, such as 'a HEIC photo'; None where its first bytes do not say."""
    if data[4:8] == b"ftyp":
        return next((name for name, brands in BRANDS.items() if data[8:12] in brands), None)
    for signature, name in SIGNATURES.items():
        if data.startswith(signature):
            return name if signature != b"BM" or int.from_bytes(data[14:18], "little") in BMP_HEADERS else None
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, name in TEXTS.items():
        if start.startswith(signature) or (start.startswith(b"<?xml") and signature in start):
            return name
    return None
