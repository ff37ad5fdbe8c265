"""Takes the pictures of the page in docs/, with the embedded graph and the files of examples/.

    .venv/bin/python tests/page/take_pictures.py

docs/page.png is the answer to the synthesised cough on a desk, docs/phone.png the one to the drawn phantom on a phone.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

from browsing import Page, Server, start_chromium  # noqa: E402  # the folders above are not on the path of a script

PICTURES = {  # the example, width, height, colours
    "page.png": ("cough.wav", 1280, 790, "light"),
    "phone.png": ("phantom-xray.jpg", 390, 844, "dark"),
}


def take(browser, address: str, example: str, width: int, height: int, colours: str) -> Image.Image:
    """Returns the page's answer to an example."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = [{"name": "prefers-color-scheme", "value": colours}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    page = Page(browser, address)
    page.press(f'[data-example="{example}"]')
    page.reach("answered")
    page.settle()
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def main() -> None:
    """Writes both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(ROOT / "retrained_graph.pb", ROOT / "retrained_labels.txt", Path(folder))
        browser = start_chromium()
        try:
            for name, how in PICTURES.items():
                picture = take(browser, server.url(), *how)
                picture.quantize(256).save(ROOT / "docs" / name, optimize=True)
        finally:
            browser.quit()
            server.close()


if __name__ == "__main__":
    main()
