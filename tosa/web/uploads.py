"""What a request asks for: the sound and the picture in it, and its parameters."""

import math
from io import BytesIO
from typing import IO, Any

from flask import Request, g, request

from tosa import screening, settings
from tosa.errors import BadParameter, NothingSent, SeveralParts, UnsupportedFormat

PARTS = {"sound": "audio_data", "picture": "image_data"}  # the name of the multipart part for each kind
YES, NO = {"1", "true", "yes", "on", ""}, {"0", "false", "no", "off"}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")  # curl calls every body the first by default
SEND = "Send a sound as the part audio_data, a picture as image_data."
SHOWN_CHARACTERS = 40  # of a name or value that a message repeats


class InMemoryRequest(Request):
    """A request whose files stay in memory, so that nothing that a user sends is written to disk."""

    max_form_parts = settings.MAX_PARTS

    def _get_file_stream(self, *_args: Any, **_kwargs: Any) -> IO[bytes]:
        return BytesIO()


def read_files() -> tuple[bytes | None, bytes | None]:
    """Returns the sound and the picture of the current request, each None if it was not sent.

    Content decides what a file is, not its name or Content-Type. Raises NothingSent, SeveralParts, UnsupportedFormat
    and TooLarge.
    """
    if request.mimetype == "multipart/form-data" and "boundary" in request.mimetype_params:
        files = _read_parts()
    else:
        files = _read_body()
    g.kind = "both" if len(files) == 2 else next(iter(files), None)
    return files.get("sound"), files.get("picture")


def _read_body() -> dict[str, bytes]:
    """The file that is the body, by its kind."""
    data = request.get_data(cache=False)
    if not data and not request.mimetype:
        raise NothingSent()
    try:
        return {screening.kind_of(data): data}
    except UnsupportedFormat:
        if request.mimetype in FORMS:
            raise NothingSent(f"There is no file in this form. {SEND} {_curl('audio_data')}") from None
        raise


def _read_parts() -> dict[str, bytes]:
    """The files of a form, by their kind."""
    parts = {kind: _read_part(name) for kind, name in PARTS.items()}
    files = {kind: data for kind, data in parts.items() if data}
    if not files:
        raise _nothing_in_form()
    for kind, data in files.items():
        screening.check_kind(data, kind, PARTS[kind])
    return files


def _read_part(name: str) -> bytes | None:
    """The content of the form's file of this name; None if there is none, or if it is empty, as of an unused field."""
    if request.form.get(name):
        raise NothingSent(f"{name} is text, not a file. {_curl(name)}")
    contents = [data for file in request.files.getlist(name) if (data := _content(file.stream))]
    if len(contents) > 1:
        raise SeveralParts(f"There are {len(contents)} parts with the name {name}. Send each in a request of its own.")
    return contents[0] if contents else None


def _content(stream: IO[bytes]) -> bytes:
    """What a part holds; of the streams that InMemoryRequest makes, without a copy."""
    return stream.getvalue() if isinstance(stream, BytesIO) else stream.read()


def _nothing_in_form() -> NothingSent:
    """The refusal of a form without a file that Tosa reads, which says why there is none."""
    if any(file.filename for name in PARTS.values() for file in request.files.getlist(name)):
        return NothingSent("The file is empty. Send one that holds a sound or a picture.")
    others = [name for name in (*request.files, *request.form) if name not in PARTS.values()]
    if others:
        return NothingSent(f"The part {_shown(others[0])} is not read. Send audio_data or image_data.")
    return NothingSent()


def is_wanted(name: str, what: str) -> bool:
    """Returns whether the address has ?name=1, or another word for yes. Raises BadParameter for other words.

    what: what the parameter is for, for the message.
    """
    value = request.args.get(name, "0")
    if value.lower() not in YES | NO:
        raise BadParameter(f"{name}={_shown(value)} is not known. Send {name}=1 for {what}, else {name}=0.")
    return value.lower() in YES


def time_wanted() -> float | None:
    """Returns the seconds of the address's ?at=, None without it. Raises BadParameter unless they are 0 or more."""
    value = request.args.get("at")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise BadParameter(f"at={_shown(value)} is not a time in the sound. Send seconds, such as at=12.5.")
    return seconds


def _curl(name: str) -> str:
    return f"With curl, write @ before the file's name: -F {name}=@FILE"


def _shown(text: str) -> str:
    """Text of a user, in quotes, shortened."""
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "...")
