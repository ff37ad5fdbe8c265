"""Writes MODEL_CARD.md, and static/model-card.html for the page, from what the audit measured.

    python -m tosa.training.report.model_card [docs/audit.json]

Its headings are those of model cards (Mitchell et al., FAT* 2019) with what TRIPOD+AI (Collins et al., BMJ 2024) asks
of a prediction model: source of data, participants, outcome, missing data, performance with intervals, limitations.
"""

import json
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tosa.settings import ROOT
from tosa.training.files import atomic_write
from tosa.training.packages import end_without_packages

with end_without_packages(__name__):
    from markdown_it import MarkdownIt

HERE = Path(__file__).resolve().parent
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tosa: model card</title>
<link rel="stylesheet" href="model-card.css">
<main>
<p><a href="../">Tosa</a></p>
{body}</main>
</html>
"""


def percent(value: float | None, digits: int = 1) -> str:
    """Returns a share in percent."""
    return "not known" if value is None else f"{value * 100:.{digits}f} %"


def interval(rate: dict[str, Any] | None) -> str:
    """Returns a rate with its 95 % interval, over groups where the rate has one."""
    if not rate or rate["value"] is None:
        return "none"
    limits = rate.get("over_groups", rate)
    return f"{rate['value'] * 100:.1f} % [{limits['low'] * 100:.1f}, {limits['high'] * 100:.1f}]"


def area(auc: dict[str, Any] | None) -> str:
    """Returns an area under the curve with its 95 % interval."""
    return "none" if not auc else f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]"


def points(share: float) -> str:
    """Returns a difference of two rates in percentage points."""
    return f"{share * 100:+.1f}"


def markdown(audit: dict[str, Any]) -> str:
    """Returns the model card's text. audit: what docs/audit.json holds."""
    jinja = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  # it is Markdown, and `page` lets no HTML through
    )
    jinja.filters |= {"percent": percent, "interval": interval, "area": area, "points": points}
    return jinja.get_template("model_card.md.jinja").render(audit)


def page(text: str) -> str:
    """Returns the model card as an HTML page without a script. text: from `markdown`."""
    return PAGE.format(body=MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def main(audit: Path) -> None:
    """Writes the model card of an audit's JSON file."""
    text = markdown(json.loads(audit.read_text(encoding="utf-8")))
    for file, content in ((ROOT / "MODEL_CARD.md", text), (ROOT / "static" / "model-card.html", page(text))):
        with atomic_write(file) as partial:
            partial.write_text(content, encoding="utf-8")
        print(f"Wrote '{file}'.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "audit.json")
