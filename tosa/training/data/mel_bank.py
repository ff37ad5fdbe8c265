"""Mel banks, made by librosa: the one in the package, and those of graphs with other mel settings.

python -m tosa.training.data.mel_bank       # writes the package's file again
"""

from functools import cache

import numpy as np

from tosa.inputs.spectrogram import MEL_BANK_FILE
from tosa.preprocessing import Preprocessing
from tosa.training.files import atomic_write
from tosa.training.packages import end_without_packages


@cache
def bank_to_carry(preprocessing: Preprocessing) -> np.ndarray | None:
    """Returns the mel bank that a graph carries and that drawing needs, None where the one in the package fits."""
    return None if preprocessing.has_default_mel_bank else mel_bank(preprocessing)


def mel_bank(preprocessing: Preprocessing) -> np.ndarray:
    """Returns librosa's bank of triangles on Slaney's mel scale: float32 (n_mels, n_fft // 2 + 1)."""
    import librosa.filters  # here, since it takes a second to import

    return librosa.filters.mel(
        sr=preprocessing.sample_rate,
        n_fft=preprocessing.n_fft,
        n_mels=preprocessing.n_mels,
        fmin=preprocessing.f_min,
        fmax=preprocessing.f_max,
    )


def write_packaged_mel_bank() -> None:
    """Writes the weights of the default mel bank that are not zero, with the band and the bin of each."""
    bank = mel_bank(Preprocessing())
    entries = np.zeros(np.count_nonzero(bank), [("band", "u1"), ("bin", "<u2"), ("weight", "<f4")])
    entries["band"], entries["bin"] = np.nonzero(bank)
    entries["weight"] = bank[bank != 0]
    with atomic_write(MEL_BANK_FILE) as partial, partial.open("wb") as file:
        np.save(file, entries)


if __name__ == "__main__":
    with end_without_packages(__name__):
        write_packaged_mel_bank()
