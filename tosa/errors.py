"""Everything that can go wrong, as one small tree.

TosaError
├── RequestError            answered as JSON with the class's HTTP status
│   ├── NothingSent         400 nothing_sent
│   ├── BadParameter        400 bad_parameter
│   ├── SeveralParts        400 several_parts
│   ├── CrossSite           403 cross_site
│   ├── TooLarge            413 too_large
│   │   ├── SoundTooLong    413 sound_too_long
│   │   └── PictureTooLarge 413 picture_too_large
│   ├── UnsupportedFormat   415 unsupported_format
│   │   └── CompressedDicom 415 compressed_dicom
│   ├── CannotJudge         422 cannot_judge
│   │   ├── Damaged         422 damaged
│   │   ├── NotFinite       422 not_finite
│   │   ├── TooShort        422 too_short
│   │   ├── Silence         422 silence
│   │   ├── Clipped         422 clipped
│   │   ├── SampleRate      422 sample_rate
│   │   ├── SeveralFrames   422 several_frames
│   │   ├── NoPicture       422 no_picture
│   │   ├── MissingElement  422 missing_element
│   │   └── NotAChestXray   422 not_a_chest_xray
│   ├── TaskMissing         422 task_missing
│   ├── Busy                503 busy
│   ├── Starting            503 starting
│   └── Stopping            503 stopping
├── SettingError            at the start: an environment variable has a wrong value
├── ModelError              at the start: the graph or its labels cannot be served
├── DecoderError            at the start: the decoding processes do not start
└── UsageError              retrain.py ends with exit status 2
"""

SOUND_FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AAC", "MP4", "WebM", "WMA", "AMR", "AIFF", "CAF", "AU", "W64")
PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "WebP", "DICOM")
READ_FORMATS = (
    f"Tosa reads sounds in {', '.join(SOUND_FORMATS[:-1])} and {SOUND_FORMATS[-1]}, "
    f"and pictures in {', '.join(PICTURE_FORMATS[:-1])} and {PICTURE_FORMATS[-1]}."
)


class TosaError(Exception):
    """Base class of all errors that Tosa raises on purpose. `str(error)` is a message for the user."""


class RequestError(TosaError):
    """A request that gets no diagnosis. `public` is the default message; an argument to the class replaces it."""

    status = 400
    code = "bad_request"
    public = "The request could not be answered."

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.public)


class NothingSent(RequestError):
    code = "nothing_sent"
    public = (
        "No file was sent. Send a sound as the multipart part audio_data, a picture as the part image_data, "
        "or one of them as the body of the request."
    )


class BadParameter(RequestError):
    code = "bad_parameter"
    public = "A parameter of the address has a value that Tosa does not know."


class SeveralParts(RequestError):
    code = "several_parts"
    public = "Two parts have the same name. Send one sound, one picture or one of each in a request."


class CrossSite(RequestError):
    status, code = 403, "cross_site"
    public = "This request comes from a page of another site. Use Tosa's own page or a program."


class TooLarge(RequestError):
    status, code = 413, "too_large"
    public = "The upload is too large. Send a picture of at most 64 MiB, a sound of at most 10 MiB."


class SoundTooLong(TooLarge):
    code = "sound_too_long"
    public = "The sound is longer than 60 seconds. Send the part that matters."


class PictureTooLarge(TooLarge):
    code = "picture_too_large"
    public = "The picture has more than 25 megapixels or takes more than 128 MiB once decoded. Send a smaller copy."


class UnsupportedFormat(RequestError):
    status, code = 415, "unsupported_format"
    public = f"Tosa does not read this format. {READ_FORMATS}"


class CompressedDicom(UnsupportedFormat):
    code = "compressed_dicom"
    public = "This DICOM file is compressed in a way Tosa does not read. Export it uncompressed or as PNG."


class CannotJudge(RequestError):
    """The file was read, but no honest answer is possible. Each reason has its class."""

    status, code = 422, "cannot_judge"


class Damaged(CannotJudge):
    code = "damaged"
    public = "The file is damaged or cut off and could not be decoded. Export or record it again."


class NotFinite(CannotJudge):
    code = "not_finite"
    public = "The file holds values that are not finite numbers. Export it again."


class TooShort(CannotJudge):
    code = "too_short"
    public = "The sound is shorter than 0.3 seconds. Record a longer one."


class Silence(CannotJudge):
    code = "silence"
    public = "There is nothing to hear in this sound. Check the microphone and record closer to it."


class Clipped(CannotJudge):
    code = "clipped"
    public = "The sound is clipped flat, too loud for the microphone. Record again from further away."


class SampleRate(CannotJudge):
    code = "sample_rate"
    public = "Tosa does not support the sound's sample rate. Send a sound with 8,000 to 192,000 Hz."


class SeveralFrames(CannotJudge):
    code = "several_frames"
    public = "This file holds several pictures. Send one frontal chest X-ray."


class NoPicture(CannotJudge):
    code = "no_picture"
    public = "This file holds no picture. Send the X-ray itself."


class MissingElement(CannotJudge):
    code = "missing_element"
    public = "A DICOM element that describes the picture is missing. Export the picture again."


class NotAChestXray(CannotJudge):
    code = "not_a_chest_xray"
    public = "This does not look like a chest X-ray. Send a frontal one, upright, with wide margins cut off."


class TaskMissing(RequestError):
    status, code = 422, "task_missing"
    public = "The model on this server does not judge this kind of file."


class Busy(RequestError):
    status, code = 503, "busy"
    public = "The server is busy. Try again in a moment."


class Starting(RequestError):
    status, code = 503, "starting"
    public = "Tosa is starting: its network is being loaded. Try again in a few seconds."


class Stopping(RequestError):
    status, code = 503, "stopping"
    public = "Tosa is stopping. It finishes the requests in progress and takes no new ones."


class SettingError(TosaError):
    """An environment variable has a wrong value. The message names the variable."""


class ModelError(TosaError):
    """The graph or its label file is missing or damaged, or they do not fit together. The message names the file."""


class DecoderError(TosaError):
    """A decoding process did not start."""


class UsageError(TosaError):
    """retrain.py cannot do what it was asked for. The message names the flag, the file or the folder."""


def refusals() -> list[type[RequestError]]:
    """Returns RequestError and all classes below it."""
    classes = [RequestError]
    for each in classes:  # grows during the loop
        classes += each.__subclasses__()
    return classes
