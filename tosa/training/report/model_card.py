"""Writes MODEL_CARD.md, the model card of the embedded graph, from what the audit measured.

    python -m tosa.training.report.model_card [docs/audit.json]

The page shows the card that the served graph carries: tosa.audit.card puts it in.
Its headings are those of model cards (Mitchell et al., FAT* 2019) with what TRIPOD+AI (Collins et al., BMJ 2024) asks
of a prediction model: source of data, participants, outcome, missing data, performance with intervals, limitations.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tosa.settings import ROOT
from tosa.training.files import atomic_write

HERE = Path(__file__).resolve().parent
WORDS = ROOT / "docs" / "embedded_words.json"  # what each data set is


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
        autoescape=False,  # noqa: S701  # it is Markdown
    )
    jinja.filters |= {"percent": percent, "interval": interval, "area": area, "points": points}
    words = json.loads(WORDS.read_text(encoding="utf-8"))
    return jinja.get_template("model_card.md.jinja").render(audit, data_sets=words["sources"])


def main() -> None:
    """Runs the command that the module's docstring shows."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("audit", type=Path, nargs="?", default=ROOT / "docs" / "audit.json")
    file, audit = ROOT / "MODEL_CARD.md", flags.parse_args().audit
    try:
        text = markdown(json.loads(audit.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        sys.exit(f"'{audit}' cannot be read as an audit: {error}. Make one with make audit.")
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"Wrote '{file}'.")


if __name__ == "__main__":
    main()
