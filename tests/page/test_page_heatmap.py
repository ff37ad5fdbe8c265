"""The heat map: its outline, its legend, its axes, and where its strongest place lies."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from browsing import ENGLISH, PHANTOM, finding, json_reply
from tosa.model import heatmap

SIDE = 299
MAGMA = [(0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191)]
# Simulated deuteranopia, in linear light (Machado, Oliveira and Fernandes, 2009).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def gray():
    """Every gray, from left to right."""
    return np.repeat(np.tile(np.linspace(0, 255, SIDE), (SIDE, 1))[:, :, None], 3, axis=2).astype(np.uint8)


def magma():
    """Every color of magma, from left to right."""
    stops = np.linspace(0, SIDE - 1, len(MAGMA))
    row = np.stack([np.interp(np.arange(SIDE), stops, channel) for channel in zip(*MAGMA, strict=True)], axis=1)
    return np.tile(row, (SIDE, 1, 1)).astype(np.uint8)


def hot_at(x, y):
    """A feature map of one channel with its peak at a place, in shares of the picture."""
    rows, columns = np.mgrid[0:8, 0:8]
    squared = (columns + 0.5 - 8 * x) ** 2 + (rows + 0.5 - 8 * y) ** 2
    return np.exp(-squared / 1.5**2)[:, :, None].astype(np.float32)


def show(page, pixels, x, y, kind="picture", task="pneumonia"):
    tinted = heatmap.overlay(pixels, hot_at(x, y), np.ones(1, np.float32))
    pictures = {"picture": heatmap.data_uri(pixels), "explanation": heatmap.data_uri(tinted)}
    page.answer_with(json_reply(finding(task, kind, **pictures)))
    page.drop("a.png", "", PHANTOM)
    page.ask()
    page.until(lambda: page.run("return document.querySelector('#findings .contour').width") == 600)


@pytest.mark.parametrize("x, y, outside", [
    (0.5, 0.5, False), (0.2, 0.2, False), (0.05, 0.5, True), (0.95, 0.5, True), (0.5, 0.03, True), (0.5, 0.95, True),
])  # fmt: skip
def test_a_strongest_place_outside_the_lungs_is_told(page, x, y, outside):
    show(page, gray(), x, y)
    assert page.shown(".outside") == outside
    if outside:
        assert page.text(".outside") == ENGLISH["heatmap.outside"]


def test_a_sounds_heat_map_may_be_anywhere(page):
    show(page, magma(), 0.05, 0.95, "sound", "cough")
    assert not page.shown(".outside")


def seen(page):
    """The picture under its heat map as it is on the screen: float (height, width, 3) from 0 to 1."""
    data = base64.b64decode(page.find("#findings .images").screenshot_as_base64)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255


def luminance(pixels):
    """Relative luminance as of WCAG to a reader with deuteranopia."""
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    return np.clip(linear @ DEUTERANOPIA.T, 0, 1) @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize("ground, kind", [(gray, "picture"), (magma, "sound")], ids=["gray", "magma"])
def test_the_outline_is_seen_without_telling_colors_apart(page, ground, kind):
    """A circle at half of the maximum: along it, white beside black by at least 3 to 1 in every direction."""
    show(page, ground(), 0.5, 0.5, kind, "pneumonia" if kind == "picture" else "cough")
    light = luminance(seen(page))
    middle, contrasts = np.array(light.shape) / 2, []
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        rays = middle + np.outer(np.arange(20, light.shape[0] / 2.2, 0.5), (np.sin(angle), np.cos(angle)))
        along = light[tuple(rays.round().astype(int).T)]
        contrasts.append((along.max() + 0.05) / (along.min() + 0.05))
        steps = (along[6:] + 0.05) / (along[:-6] + 0.05)  # over 3 pixels
        assert max(steps.max(), 1 / steps.min()) >= 3, angle


def test_the_outline_fades_with_the_heat_map_and_has_a_legend(page):
    show(page, gray(), 0.5, 0.5)
    assert page.shown(".legend") and ENGLISH["heatmap.contour"] in page.text(".legend")
    page.run("const slider = document.querySelector('.opacity input'); slider.value = 0;"
             "slider.dispatchEvent(new Event('input'));")  # fmt: skip
    assert page.find("#findings .contour").value_of_css_property("opacity") == "0"


def test_a_sound_has_a_frequency_axis_where_the_mel_bands_are(page):
    """8 kHz at the top; 1 kHz at 15 mel of the 0.75 to 45.24 mel between 50 Hz and 8 kHz (Slaney's scale)."""
    show(page, magma(), 0.5, 0.5, "sound", "cough")
    picture = page.find("#findings .images").rect
    labels = {label.text: label.rect for label in page.all(".frequencies span")}
    assert list(labels) == ["0.5 kHz", "1 kHz", "2 kHz", "4 kHz", "8 kHz"]
    middle = labels["1 kHz"]["y"] + labels["1 kHz"]["height"] / 2
    share = (picture["y"] + picture["height"] - middle) / picture["height"]
    top = 15 + 27 * np.log(8) / np.log(6.4)
    assert share == pytest.approx((15 - 0.75) / (top - 0.75), abs=0.015)
    assert labels["8 kHz"]["y"] == pytest.approx(picture["y"], abs=6)
    assert [tick.text for tick in page.all("#findings .axis span")] == [f"{tick / 2:g} s" for tick in range(6)]
