"""Which sound format a file has, told by its content alone.

This runs in the server process on whatever was uploaded, so it reads a few bytes, decodes nothing and imports nothing.
"""

import re

from tosa.errors import READ_FORMATS, UnsupportedFormat

PICTURE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"crx "}
QUICKTIME_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
SIGNATURES = {  # the first bytes, and FFmpeg's name
    b"fLaC": "flac",
    b"OggS": "ogg",
    b"\x1aE\xdf\xa3": "matroska",
    b"caff": "caf",
    b".snd": "au",
    b"dns.": "au",  # little-endian
    b"#!AMR\n": "amr",
    b"#!AMR-WB\n": "amr",
    bytes.fromhex("726966662e91cf11a5d628db04c10000"): "w64",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"): "asf",
}
MAX_LOOSE_BYTES = 4096  # before the first whole MPEG frame; the remainder of a cut frame is at most 2,881 bytes long
MIN_MPEG_FRAMES = 3  # in a row, before bytes without any other signature are taken for MPEG audio
MPEG_SYNC = re.compile(rb"\xff[\xe0-\xff]")
# Kilobits per second by (MPEG version is 1, layer), and Hz, both by their index in the frame's header (ISO 11172-3).
MPEG_BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_RATES = (44_100, 48_000, 32_000)  # MPEG-1; MPEG-2 has half of them and MPEG-2.5 a quarter
UNREAD = (  # (where, the bytes there, the name of the format)
    (0, b"MThd", "MIDI"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA", "True Audio"),
    (0, b"MPCK", "Musepack"),
    (0, b"MP+", "Musepack"),
    (0, b"DSD ", "DSF"),
    (0, b"FRM8", "DSDIFF"),
    (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"ADIF", "AAC in ADIF"),
    (0, b"Creative Voice File", "VOC"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"#!SILK_V3", "SILK"),
    (0, b"\x02#!SILK_V3", "SILK"),
    (0, b"#!AMR_MC", "multichannel AMR"),
    (0, b"#!AMR-WB_MC", "multichannel AMR"),
    (8, b"QLCM", "QCP"),
    (8, b"AVI ", "AVI video"),
    (8, b"RMID", "MIDI"),
    (8, b"8SVX", "8SVX"),
    (0, b"FLV\x01", "Flash video"),
    (0, b"\0\0\x01\xba", "MPEG video"),
    (0, b"\0\0\x01\xb3", "MPEG video"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"tBaK", "TAK"),
)


def sound_format(data: bytes) -> str | None:
    """Returns FFmpeg's name of the sound format that the content has, or None if it is not one that Tosa reads.

    Zeros and tags (ID3, APE) before the sound are skipped, as is what is left of a cut frame before MPEG audio.
    """
    start = start_of_sound(data)
    signed = format_by_signature(data) or format_by_signature(data[start : start + 64])
    return signed or (None if unread_sound_format(data) else _mpeg_format(data))


def unread_sound_format(data: bytes) -> str | None:
    """Returns the name of a sound or film format that Tosa knows but does not read, or None."""
    for where, signature, name in UNREAD:
        if data.startswith(signature, where) and (where == 0 or data[:4] in (b"RIFF", b"FORM")):
            return name
    if len(data) > 376 and data[0] == data[188] == data[376] == 0x47:
        return "MPEG transport stream"
    return None


def format_refusal(data: bytes) -> UnsupportedFormat:
    """Returns the error for a file that is in no format that Tosa reads; it names the format if that is known."""
    name = unread_sound_format(data)
    return UnsupportedFormat(f"Tosa does not read {name}. {READ_FORMATS}" if name else None)


def start_of_sound(data: bytes) -> int:
    """Returns how many bytes of zeros, ID3 tags and APE tags come before anything else."""
    start = 0
    while True:
        before, part = start, data[start : start + 2**16]
        start += len(part) - len(part.lstrip(b"\0"))
        if data.startswith(b"ID3", start) and len(data) >= start + 10:
            size = data[start + 6 : start + 10]  # seven bits a byte
            footer = 10 if data[start + 5] & 0x10 else 0
            start += 10 + footer + sum((byte & 0x7F) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))
        elif data.startswith(b"APETAGEX", start) and len(data) >= start + 32:
            start += 32 + int.from_bytes(data[start + 12 : start + 16], "little")  # the size does not count the header
        if start == before or start >= len(data):
            return min(start, len(data))


def format_by_signature(data: bytes) -> str | None:
    """Returns FFmpeg's name of the sound format whose signature the data begins with, or None."""
    return next((name for signature, name in SIGNATURES.items() if data.startswith(signature)), None) or _media(data)


def _media(data: bytes) -> str | None:
    """The formats that need more than their first bytes: IFF, RIFF and QuickTime, which hold films and pictures too."""
    four, kind = data[:4], data[8:12]
    if four in (b"RIFF", b"RIFX", b"RF64", b"BW64") and kind == b"WAVE":
        return "wav"
    if four == b"FORM" and kind in (b"AIFF", b"AIFC"):
        return "aiff"
    if data[4:8] == b"ftyp":
        return None if kind in PICTURE_BRANDS else "mov"
    if data[4:8] in QUICKTIME_BOXES and (int.from_bytes(four) == 1 or 8 <= int.from_bytes(four) < 2**25):
        return "mov"
    return None


def _mpeg_format(data: bytes) -> str | None:
    """'mp3' (MPEG-1 and -2, layers I to III) or 'aac' (ADTS) if whole frames follow one another near the start."""
    start = start_of_sound(data)
    tagged = data[:start].lstrip(b"\0")[:8].startswith((b"ID3", b"APETAGEX"))
    for sync in MPEG_SYNC.finditer(data, start, start + MAX_LOOSE_BYTES):
        at, frames = sync.start(), 0
        while frames < MIN_MPEG_FRAMES and (length := _frame_length(data[at : at + 6])):
            at, frames = at + length, frames + 1
            if at >= len(data):  # a file of few frames
                break
        if frames == MIN_MPEG_FRAMES or (frames and at >= len(data) and sync.start() == start):
            return "mp3" if data[sync.start() + 1] & 0x06 else "aac"
    return "mp3" if tagged else None


def _frame_length(header: bytes) -> int:
    """Length in bytes of the MPEG audio or ADTS frame that begins with these six bytes; 0 if none begins so."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    if layer == 4:  # ADTS has layer 0 and 12 bits of ones
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5 if len(header) == 6 else 0
        return length if header[1] & 0xF0 == 0xF0 and header[2] >> 2 & 15 < 13 and length >= 7 else 0
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or not 0 < bitrate < 15 or rate == 3:  # reserved values; a free bitrate does not tell the length
        return 0
    bits = MPEG_BITRATES[version == 3, layer][bitrate - 1] * 1000
    hertz = MPEG_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
