import json
from dataclasses import replace

import pytest

from tosa.preprocessing import Preprocessing


def test_comes_back_from_json():
    changed = Preprocessing(n_mels=64, f_min=20, geometry="letterbox")
    assert Preprocessing.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed


def test_fields_that_are_missing_have_their_defaults():
    assert Preprocessing.from_dict({}) == Preprocessing()
    assert Preprocessing.from_dict({"n_mels": 64}) == Preprocessing(n_mels=64)


def test_key_differs_with_every_field():
    other = {
        "sample_rate": 16_000, "n_fft": 512, "hop_length": 200, "n_mels": 64, "f_min": 20.0, "f_max": 7_000.0,
        "top_db": 60.0, "window_seconds": 2.0, "active_db": 30.0, "size": 224, "geometry": "letterbox",
    }  # fmt: skip
    assert set(other) | {"version"} == set(Preprocessing().to_dict())
    keys = [Preprocessing().key(), *(replace(Preprocessing(), **{name: value}).key() for name, value in other.items())]
    assert len(set(keys)) == len(keys)
    assert Preprocessing.from_dict({"f_min": 50}).key() == Preprocessing().key()  # JSON may drop the .0


@pytest.mark.parametrize(
    "values",
    [
        {"version": 2},
        {"version": True},
        {"sample_rate": 96_000},
        {"sample_rate": "22050"},
        {"sample_rate": 22_050.0},
        {"n_fft": 1_000_000},
        {"n_fft": 1023},
        {"hop_length": 0},
        {"hop_length": 2048},
        {"hop_length": 16},
        {"n_mels": 7},
        {"n_mels": None},
        {"f_min": -1},
        {"f_min": 8_000},
        {"f_min": float("nan")},
        {"f_max": 12_000},
        {"f_max": float("inf")},
        {"top_db": 0},
        {"window_seconds": 59},
        {"window_seconds": 0.1},
        {"active_db": 0},
        {"size": 10_000},
        {"geometry": "crop"},
        {"geometry": 3},
        {"mel_scale": "htk"},
    ],
)
def test_refuses_what_cannot_be_drawn(values):
    ((name, value),) = values.items()
    with pytest.raises(ValueError, match=f"^{name} is .*") as refused:
        Preprocessing.from_dict(values)
    assert repr(value) in str(refused.value) or f"{value:g}" in str(refused.value)


def test_sizes_of_the_default():
    assert Preprocessing().window_samples == 55_125 and Preprocessing().frames == 300
