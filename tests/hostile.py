"""Input that does harm, or would: one table, a row a name, what is sent, and the status and code it gets.

What is sent is (headers, body); a list as body goes in chunks. A code of None goes with 200.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid

from compression import compressed, deflated, frame, lookup_table, resized
from pictures import dicom, encoded, phantom
from sounds import RATE, Pipe, container, coughs, wav

Sent = tuple[dict[str, str], bytes | list[bytes]]
GRAY = phantom()
COUGHS = coughs()
BOUNDARY = "limit"


def form(*parts: tuple[str, bytes], filename: str = "x") -> Sent:
    """A form of files."""
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode()
        + data + b"\r\n" for name, data in parts
    )  # fmt: skip
    return {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, body + f"--{BOUNDARY}--\r\n".encode()


def field(name: str, text: bytes) -> Sent:
    headers, body = form((name, text))
    return headers, body.replace(b'; filename="x"', b"")


def sound(data: bytes) -> Sent:
    return form(("audio_data", data))


def picture(data: bytes) -> Sent:
    return form(("image_data", data))


def cut(sent: Sent, tenths: int) -> Sent:
    """A form of one file, with so many tenths of the file."""
    headers, body = sent
    start, end = body.index(b"\r\n\r\n") + 4, body.rindex(f"\r\n--{BOUNDARY}--".encode())
    return headers, body[: start + (end - start) * tenths // 10] + body[end:]


def raw(data: bytes | list[bytes], mimetype: str) -> Sent:
    return {"Content-Type": mimetype}, data


def floats(samples) -> bytes:
    return wav(np.asarray(samples, np.float32), subtype="FLOAT")


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def wav_header(data: bytes, rate: int | None = None, size: int | None = None) -> bytes:
    """A WAV file with another rate or size in its header, which then fits nothing else."""
    if rate is not None:
        data = patched(data, 24, struct.pack("<I", rate))
    if size is not None:
        data = patched(data, data.index(b"data") + 4, struct.pack("<I", size))
        data = patched(data, 4, struct.pack("<I", size))
    return data


def flac_total(data: bytes, total: int) -> bytes:
    """A FLAC file that claims another number of samples, 36 bits in its first block."""
    (packed,) = struct.unpack(">Q", data[18:26])
    return patched(data, 18, struct.pack(">Q", packed >> 36 << 36 | total))


def crc(data: bytes, bits: int, polynomial: int) -> int:
    """Cyclic redundancy check, most significant bit first, from 0, as FLAC has it."""
    value, top, mask = 0, 1 << bits - 1, (1 << bits) - 1
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
    return value


def flac_bomb(frames: int, total: int, channels: int = 8, rate: int = 48_000) -> bytes:
    """Frames of 65,535 times the same 16-bit sample on all channels: a megabyte of sound in 45 bytes."""
    blocksize = 65_535
    stream = rate << 44 | channels - 1 << 41 | 15 << 36 | total
    header = struct.pack(">HH6xQ16x", blocksize, blocksize, stream)
    out = [b"fLaC\x80\0\0\x22" + header]
    for number in range(frames):
        start = bytes([0xFF, 0xF8, 0x7A, channels - 1 << 4 | 8]) + chr(number).encode()
        start += struct.pack(">H", blocksize - 1)
        frame = start + bytes([crc(start, 8, 0x07)]) + b"\0\x01\x00" * channels
        out.append(frame + struct.pack(">H", crc(frame, 16, 0x8005)))
    return b"".join(out)


def opus_bomb(format: str, packets: int, buffer=None) -> bytes:
    """Packets of one byte that each say 120 milliseconds of silence."""
    buffer = buffer or io.BytesIO()
    with av.open(buffer, "w", format=format) as out:
        track = out.add_stream("libopus", rate=48_000, layout="mono")
        for number in range(packets):
            packet = av.Packet(b"\x19")
            packet.stream, packet.time_base = track, Fraction(1, 48_000)
            packet.pts = packet.dts = number * 5760
            packet.duration = 5760
            out.mux(packet)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunks(*chunks: bytes) -> bytes:
    """A good PNG with more chunks behind its header."""
    png = encoded(Image.fromarray(GRAY))
    return png[:33] + b"".join(chunks) + png[33:]


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("x.txt", "text")
    return buffer.getvalue()


def without_pixels() -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY)))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def apng() -> bytes:
    frames = [Image.fromarray(GRAY), Image.fromarray(GRAY[::-1])]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


def scans() -> bytes:
    """A progressive JPEG whose shortest scan, of which each goes over all pixels, comes many thousand times."""
    data = encoded(Image.fromarray(phantom(4000, 5000)), "JPEG", progressive=True)
    _, *parts = data[:-2].split(b"\xff\xda")
    shortest = min(parts[1:], key=len)
    return data[:-2] + (b"\xff\xda" + shortest) * (4_000_000 // len(shortest)) + b"\xff\xd9"


def claiming(syntax: str, both: bool) -> bytes:
    """A compressed DICOM whose codestream claims 65,535 pixels a side, and its DICOM header too or 320 x 240."""
    claims = resized(frame(GRAY, syntax), 65_535, 65_535)
    return dicom(GRAY, syntax, claims, **{"Rows": 65_535, "Columns": 65_535} if both else {})


def tiles() -> bytes:
    """A JPEG 2000 codestream that claims a tile for each of its 76,800 pixels."""
    data = frame(GRAY, uid.JPEG2000Lossless)
    return data[:24] + struct.pack(">II", 1, 1) + data[32:]


def endless_runs() -> bytes:
    """An RLE frame whose one segment decodes to 250 MB."""
    return struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 2_000_000


def deflated_bomb() -> bytes:
    """A deflated DICOM file of 200 kB that inflates to 200 MB."""
    small = deflated(GRAY)
    header = small[: 144 + struct.unpack("<I", small[140:144])[0]]
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return header + b"".join(deflater.compress(bytes(2**20)) for _ in range(200)) + deflater.flush()


def segmented_palette() -> bytes:
    """A DICOM file with a palette of 300 kB whose segments expand to 3,000 million colours."""
    elements = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [0, 0, 16]
        elements[f"Segmented{name}PaletteColorLookupTableData"] = b"\0\0\1\0\7\0" + b"\1\0\xff\xff\7\0" * 50_000
    return dicom(GRAY, **elements)


def tiff_claiming(side: int) -> bytes:
    """A TIFF header that claims so many pixels a side, in one strip of no bytes."""
    entries = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: side, 279: 9}
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + bytes(4)


def webp_claiming() -> bytes:
    """A lossless WebP that claims 16,384 pixels a side, the most there can be."""
    data = encoded(Image.fromarray(GRAY), "WEBP", lossless=True)
    return patched(data, data.index(b"VP8L") + 9, b"\xff\xff\xff\x0f")


FILES: dict[str, Callable[[], Sent]] = {
    "wav": lambda: sound(wav(COUGHS)),
    "flac": lambda: sound(wav(COUGHS, format="FLAC")),
    "flac from a pipe": lambda: sound(container(coughs(rate=48_000), "flac", "flac", buffer=Pipe())),
    "ogg": lambda: sound(wav(COUGHS, format="OGG", subtype="VORBIS")),
    "ogg opus": lambda: sound(wav(coughs(rate=48_000), 48_000, format="OGG", subtype="OPUS")),
    "mp3": lambda: sound(wav(coughs(rate=44_100), 44_100, format="MP3")),
    "webm": lambda: sound(container(coughs(rate=48_000), "webm", "libopus")),
    "mp4": lambda: sound(container(coughs(rate=48_000), "mp4", "aac")),
    "aac": lambda: sound(container(coughs(rate=48_000), "adts", "aac")),
    "png": lambda: picture(encoded(Image.fromarray(GRAY))),
    "jpeg": lambda: picture(encoded(Image.fromarray(GRAY), "JPEG")),
    "dicom": lambda: picture(dicom(GRAY)),
    "dicom jpeg lossless": lambda: picture(compressed(GRAY, uid.JPEGLosslessSV1)),
    "dicom jpeg-ls": lambda: picture(compressed(GRAY, uid.JPEGLSLossless)),
    "dicom jpeg 2000": lambda: picture(compressed(GRAY, uid.JPEG2000Lossless)),
    "dicom rle": lambda: picture(compressed(GRAY, uid.RLELossless)),
    "dicom deflated": lambda: picture(deflated(GRAY)),
    "tiff": lambda: picture(encoded(Image.fromarray(GRAY), "TIFF", compression="tiff_adobe_deflate")),
    "webp": lambda: picture(encoded(Image.fromarray(GRAY), "WEBP")),
}

# What is said to the first tenth of each file, the first two, and so on to nine. What is left of a sound is judged if
# it was written as it came; an MP4 file has its table of contents at the end.
CUT: dict[str, list[str | None]] = {name: ["damaged"] * 9 for name in FILES} | {
    "dicom jpeg 2000": ["no_picture"] + ["damaged"] * 8,  # the first tenth ends within the header
    "wav": ["too_short"] + [None] * 8,
    "flac": ["too_short"] + [None] * 8,
    "flac from a pipe": ["too_short"] * 2 + [None] * 7,
    "aac": ["too_short"] + [None] * 8,
    "ogg": ["damaged"] * 2 + ["too_short"] * 3 + [None] * 4,
    "ogg opus": ["damaged"] * 4 + [None] * 5,
    "mp3": ["too_short"] + [None] * 8,
    "webm": ["too_short"] + [None] * 8,
}

TABLE: dict[str, tuple[Callable[[], Sent], int, str | None]] = {
    # sounds
    "empty": (lambda: sound(b""), 400, "nothing_sent"),
    "empty raw body": (lambda: raw(b"", "audio/wav"), 400, "nothing_sent"),
    "header only": (lambda: sound(wav(np.zeros(0))), 422, "too_short"),
    "half a header": (lambda: sound(wav(COUGHS)[:20]), 422, "damaged"),
    "one sample": (lambda: sound(wav(np.ones(1) * 0.5)), 422, "too_short"),
    "0.29 s": (lambda: sound(wav(COUGHS[: round(0.29 * RATE)])), 422, "too_short"),
    "silence": (lambda: sound(wav(np.zeros(RATE))), 422, "silence"),
    "constant": (lambda: sound(wav(np.full(RATE, 0.5))), 422, "silence"),
    "not a number": (lambda: sound(floats(np.full(RATE, np.nan))), 422, "not_finite"),
    "one not a number": (lambda: sound(floats(np.where(np.arange(RATE) == 9, np.nan, 0.1))), 422, "not_finite"),
    "infinite": (lambda: sound(floats(np.full(RATE, -np.inf))), 422, "not_finite"),
    "1e38": (lambda: sound(floats(COUGHS * np.float32(1e38))), 422, "not_finite"),
    "1e38 of both signs": (lambda: sound(floats(np.resize([3e38, -3e38], RATE))), 422, "not_finite"),
    "1e-38": (lambda: sound(floats(COUGHS * np.float32(1e-38))), 422, "silence"),
    "1,024 channels": (lambda: sound(wav(np.repeat(COUGHS[:8000, None], 1024, 1), subtype="PCM_U8")), 200, None),
    "1,025 channels": (lambda: sound(patched(wav(COUGHS), 22, b"\x01\x04")), 422, "damaged"),
    "no channels": (lambda: sound(patched(wav(COUGHS), 22, b"\0\0")), 422, "damaged"),
    "0 Hz": (lambda: sound(wav_header(wav(COUGHS), rate=0)), 422, "damaged"),
    "1 Hz": (lambda: sound(wav(COUGHS, 1)), 422, "sample_rate"),
    "655,350 Hz": (lambda: sound(wav(COUGHS, 655_350)), 422, "sample_rate"),
    "4,294,967,295 Hz": (lambda: sound(wav_header(wav(COUGHS), rate=2**32 - 1)), 422, "damaged"),
    "WAV that claims 4 GB": (lambda: sound(wav_header(wav(COUGHS), size=2**32 - 1)), 200, None),
    "WAV that claims nothing": (lambda: sound(wav_header(wav(COUGHS), size=0)), 200, None),
    "FLAC that claims nothing": (lambda: sound(flac_total(wav(COUGHS, format="FLAC"), 0)), 200, None),
    "FLAC that claims 36 days": (
        lambda: sound(flac_total(wav(COUGHS, format="FLAC"), 2**36 - 1)), 413, "sound_too_long"),
    "FLAC bomb": (lambda: sound(flac_bomb(1100, 1100 * 65_535)), 413, "sound_too_long"),
    "FLAC bomb that claims nothing": (lambda: sound(flac_bomb(1100, 0)), 413, "sound_too_long"),
    "Opus bomb": (lambda: sound(opus_bomb("ogg", 60_000)), 413, "sound_too_long"),
    "Opus bomb in WebM": (lambda: sound(opus_bomb("webm", 60_000)), 413, "sound_too_long"),
    "Opus bomb without a length": (lambda: sound(opus_bomb("webm", 60_000, Pipe())), 413, "sound_too_long"),
    "eight hours": (lambda: sound(flac_bomb(3517, 8 * 3600 * 8000, 1, 8000)), 413, "sound_too_long"),
    "ADPCM that says no block": (
        lambda: sound(patched(wav(COUGHS, subtype="IMA_ADPCM"), 32, b"\0\0")), 422, "damaged"),
    "MP4 without a track": (lambda: sound(container(COUGHS, "mp4", "aac", RATE)[:60]), 422, "damaged"),
    "a film's matroska header": (lambda: sound(b"\x1aE\xdf\xa3" + bytes(5000)), 422, "damaged"),
    "ID3 and nothing": (lambda: sound(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(5000)), 422, "damaged"),
    "a sound that is called a picture": (
        lambda: form(("audio_data", wav(COUGHS)), filename="chest.png"), 200, None),
    # what is neither
    "text": (lambda: sound(b"hello"), 415, "unsupported_format"),
    "HTML": (lambda: picture(b"<!doctype html><script>alert(1)</script>"), 415, "unsupported_format"),
    "ZIP": (lambda: sound(archive()), 415, "unsupported_format"),
    "PDF": (lambda: picture(b"%PDF-1.7\n" + bytes(999)), 415, "unsupported_format"),
    "EPS": (lambda: picture(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), 415, "unsupported_format"),
    "SVG": (lambda: picture(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), 415, "unsupported_format"),
    "GIF": (lambda: picture(encoded(Image.fromarray(GRAY), "GIF")), 415, "unsupported_format"),
    "AVIF": (lambda: picture(encoded(Image.fromarray(GRAY), "AVIF")), 415, "unsupported_format"),
    "an iPhone's photo": (lambda: sound(b"\0\0\0\x24ftypheic" + bytes(99)), 415, "unsupported_format"),
    "BMP": (lambda: picture(encoded(Image.fromarray(GRAY), "BMP")), 415, "unsupported_format"),
    "a picture as a sound": (lambda: sound(encoded(Image.fromarray(GRAY))), 415, "unsupported_format"),
    "a sound as a picture": (lambda: picture(wav(COUGHS)), 415, "unsupported_format"),
    "a good sound and a bad picture": (
        lambda: form(("audio_data", wav(COUGHS)), ("image_data", b"GIF89a")), 415, "unsupported_format"),
    # pictures
    "polyglot PNG and ZIP": (lambda: picture(encoded(Image.fromarray(GRAY)) + archive()), 200, None),
    "13,300 x 13,300": (lambda: picture(encoded(Image.new("1", (13_300, 13_300)))), 413, "picture_too_large"),
    "2,147,483,647 x 2,147,483,647": (
        lambda: picture(with_chunks()[:16] + b"\x7f\xff\xff\xff" * 2 + with_chunks()[24:]), 422, "damaged"),
    "0 x 0": (
        lambda: picture(with_chunks()[:8] + chunk(b"IHDR", bytes(8) + b"\x08\0\0\0\0")), 422, "damaged"),
    "text chunk of 9 MB": (lambda: picture(with_chunks(chunk(b"tEXt", b"k\0" + b"x" * 9_000_000))), 200, None),
    "text chunk that inflates to 64 MB": (
        lambda: picture(with_chunks(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26), 9)))), 200, None),
    "a thousand text chunks that inflate": (
        lambda: picture(with_chunks(*[chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**20 - 1), 9))] * 1000)),
        200, None),
    "colour profile that inflates": (
        lambda: picture(with_chunks(chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(2**26), 9)))), 200, None),
    "APNG": (lambda: picture(apng()), 200, None),
    "CMYK": (lambda: picture(encoded(Image.fromarray(GRAY).convert("CMYK"), "JPEG")), 200, None),
    "palette": (lambda: picture(encoded(Image.fromarray(GRAY).convert("P"))), 200, None),
    "16 bits": (lambda: picture(encoded(Image.fromarray(GRAY.astype(np.uint16) * 257))), 200, None),
    "alpha": (lambda: picture(encoded(Image.fromarray(GRAY).convert("RGBA"))), 200, None),
    "1 x 1": (lambda: picture(encoded(Image.new("L", (1, 1)))), 422, "not_a_chest_xray"),
    "1 x 10,000": (lambda: picture(encoded(Image.new("L", (1, 10_000)))), 422, "not_a_chest_xray"),
    "JPEG whose scans never end": (lambda: picture(scans()), 422, "damaged"),
    "JPEG without a picture": (lambda: picture(b"\xff\xd8\xff\xd9"), 422, "damaged"),
    "JPEG without its last two bytes": (lambda: picture(encoded(Image.fromarray(GRAY), "JPEG")[:-2]), 200, None),
    "TIFF of 4 gigapixels": (lambda: picture(tiff_claiming(65_535)), 413, "picture_too_large"),
    "TIFF of 25 megapixels in 9 bytes": (lambda: picture(tiff_claiming(5000)), 422, "damaged"),
    "WebP of 268 megapixels": (lambda: picture(webp_claiming()), 413, "picture_too_large"),
    "a picture of 65 MiB": (
        lambda: picture(encoded(Image.fromarray(GRAY)) + bytes(65 * 2**20)), 413, "too_large"),
    "DICOM without pixels": (lambda: picture(without_pixels()), 422, "no_picture"),
    "DICOM with a film in it": (
        lambda: picture(dicom(GRAY, "1.2.840.10008.1.2.4.100", b"x")), 415, "compressed_dicom"),
    "DICOM with nothing compressed": (lambda: picture(dicom(GRAY, uid.RLELossless, b"x")), 422, "damaged"),
    "deflated DICOM that is none": (
        lambda: picture(deflated(GRAY)[:400] + b"junk" * 99), 422, "damaged"),
    "deflated bomb": (lambda: picture(deflated_bomb()), 413, "picture_too_large"),
    "RLE bomb": (lambda: picture(dicom(GRAY, uid.RLELossless, endless_runs())), 422, "damaged"),
    "RLE of 25 black megapixels": (
        lambda: picture(compressed(np.zeros((5000, 5000), np.uint8), uid.RLELossless)), 422, "not_a_chest_xray"),
    "JPEG-LS of 25 black megapixels": (
        lambda: picture(compressed(np.zeros((5000, 5000), np.uint8), uid.JPEGLSLossless)), 422, "not_a_chest_xray"),
    "JPEG 2000 of 25 black megapixels": (
        lambda: picture(compressed(np.zeros((5000, 5000), np.uint8), uid.JPEG2000Lossless)), 422, "not_a_chest_xray"),
    "JPEG Lossless of 4 gigapixels": (
        lambda: picture(claiming(uid.JPEGLosslessSV1, both=True)), 413, "picture_too_large"),
    "JPEG-LS of 4 gigapixels": (lambda: picture(claiming(uid.JPEGLSLossless, both=True)), 413, "picture_too_large"),
    "JPEG 2000 of 4 gigapixels": (
        lambda: picture(claiming(uid.JPEG2000Lossless, both=True)), 413, "picture_too_large"),
    "JPEG Lossless of 4 gigapixels in a small DICOM": (
        lambda: picture(claiming(uid.JPEGLosslessSV1, both=False)), 422, "damaged"),
    "JPEG-LS of 4 gigapixels in a small DICOM": (
        lambda: picture(claiming(uid.JPEGLSLossless, both=False)), 422, "damaged"),
    "JPEG 2000 of 4 gigapixels in a small DICOM": (
        lambda: picture(claiming(uid.JPEG2000Lossless, both=False)), 422, "damaged"),
    "HTJ2K of 4 gigapixels in a small DICOM": (
        lambda: picture(claiming(uid.HTJ2KLossless, both=False)), 422, "damaged"),
    "JPEG 2000 of 76,800 tiles": (lambda: picture(dicom(GRAY, uid.JPEG2000Lossless, tiles())), 422, "damaged"),
    "DICOM with an endless palette": (lambda: picture(segmented_palette()), 415, "unsupported_format"),
    "DICOM with junk for a JPEG": (lambda: picture(dicom(GRAY, uid.JPEGBaseline8Bit, b"junk")), 422, "damaged"),
    "DICOM with junk for a JPEG 2000": (
        lambda: picture(dicom(GRAY, uid.JPEG2000Lossless, b"\xff\x4f\xff\x51" + bytes(99))), 422, "damaged"),
    "DICOM with a JPEG 2000 box of no length": (
        lambda: picture(dicom(GRAY, uid.JPEG2000Lossless, b"\0\0\0\x0cjP  " + bytes(99))), 422, "damaged"),
    "DICOM of two frames": (
        lambda: picture(dicom(np.stack([GRAY, GRAY]), NumberOfFrames=2)), 422, "several_frames"),
    "DICOM of 4 GB": (lambda: picture(dicom(GRAY, Rows=65_535, Columns=65_535)), 413, "picture_too_large"),
    "DICOM of no rows": (lambda: picture(dicom(GRAY, Rows=0)), 422, "cannot_judge"),
    "DICOM with an empty lookup table": (
        lambda: picture(dicom(GRAY, VOILUTSequence=[lookup_table([0, 0, 16], b"")])), 200, None),
    "DICOM with a short lookup table": (
        lambda: picture(dicom(GRAY, VOILUTSequence=[lookup_table([256, 0, 16], b"\0\1")])), 200, None),
    "DICOM with a window of no width": (lambda: picture(dicom(GRAY, WindowCenter=9, WindowWidth=0)), 200, None),
    "DICOM with a window of no number": (
        lambda: picture(dicom(GRAY, RescaleSlope="1e308", RescaleIntercept="1e308")), 422, "not_finite"),
    # forms and bodies
    "form without boundary": (
        lambda: ({"Content-Type": "multipart/form-data"}, sound(wav(COUGHS))[1]), 400, "nothing_sent"),
    "form with another boundary": (
        lambda: ({"Content-Type": "multipart/form-data; boundary=other"}, sound(wav(COUGHS))[1]), 400, "nothing_sent"),
    "form cut off": (lambda: (sound(b"")[0], sound(wav(COUGHS))[1][:40_000]), 400, "nothing_sent"),
    "form of 11 parts": (lambda: form(*[(f"part{n}", b"x") for n in range(11)]), 400, "several_parts"),
    "form of 11 sounds": (lambda: form(*[("audio_data", wav(COUGHS))] * 11), 400, "several_parts"),
    "form of a million parts": (
        lambda: (form()[0], b"--limit\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 150_000),
        400, "several_parts"),
    "two sounds": (lambda: form(*[("audio_data", wav(COUGHS))] * 2), 400, "several_parts"),
    "field of 1 MB": (lambda: field("comment", b"x" * 10**6), 400, "nothing_sent"),
    "sound of 1 MB as a field": (lambda: field("audio_data", b"x" * 10**6), 400, "nothing_sent"),
    "file name of 100 kB": (
        lambda: form(("audio_data", wav(COUGHS)), filename="../" * 33_000 + "x.wav"), 200, None),
    "unknown part": (lambda: form(("file", wav(COUGHS))), 400, "nothing_sent"),
    "form of another kind": (
        lambda: raw(b"audio_data=x", "application/x-www-form-urlencoded"), 400, "nothing_sent"),
    "JSON": (lambda: raw(b"{}", "application/json"), 415, "unsupported_format"),
    "no type at all": (lambda: ({}, wav(COUGHS)), 200, None),
    "chunks": (lambda: raw([wav(COUGHS)[:999], wav(COUGHS)[999:]], "audio/wav"), 200, None),
    "chunks of a byte": (lambda: raw([bytes([each]) for each in wav(COUGHS)[:9999]], "audio/wav"), 422, "too_short"),
    "a sound of just over 10 MiB": (lambda: raw(wav(COUGHS) + bytes(10 * 2**20), "audio/wav"), 413, "too_large"),
    "80 MB": (lambda: raw(bytes(80_000_000), "audio/wav"), 413, "too_large"),
    "80 MB in chunks": (lambda: raw([bytes(10**6)] * 80, "audio/wav"), 413, "too_large"),
    "80 MB as a form": (lambda: sound(bytes(80_000_000)), 413, "too_large"),
}  # fmt: skip
