"""report.md, section by section."""

from typing import Any

from tosa.training.report.charts import CONTACT_SHEET_CASES
from tosa.training.report.compare import comparison_lines
from tosa.training.report.folds import fold_lines
from tosa.training.report.text import RATES, calibration_lines, interval_words, split_words, value_words

SHOWN_FILES = 50  # of a list of files in the section on the data
LABEL_RATES = ("sensitivity", "specificity", "ppv", "auc")


def task_section(metrics: dict[str, Any], pictures: dict[str, str]) -> str:
    """Returns a task's section. metrics: those of report.json; pictures: the file of each by what it shows."""
    tested = f"{metrics['cases']} cases of {metrics['groups']} groups were tested{split_words(metrics)}."
    lines = [f"## {metrics['task']}", "", tested, ""]
    lines += ["| | | 95 % interval |", "|---|---|---|"]
    for key, name in RATES.items():
        if rate := metrics.get(key):
            lines.append(f"| {name} | {value_words(rate, key)} | {interval_words(rate, key)} |")
    if "negative" in metrics:
        lines += ["", f"Sensitivity, specificity, PPV and AUC are of any other label against *{metrics['negative']}*."]
    if calibrated := calibration_lines(metrics):
        lines += ["", *calibrated]
    lines += ["", *_label_table(metrics)]
    if metrics["by_source"]:
        lines += ["", "| source | cases | accuracy |", "|---|---|---|"]
        lines += [f"| {name} | {of['cases']} | {of['accuracy']:.1%} |" for name, of in metrics["by_source"].items()]
    for name, lines_of in (("folds", fold_lines), ("comparison", comparison_lines)):
        if name in metrics:
            lines += ["", *lines_of(metrics[name])]
    lines.append("")
    misses = len(metrics["misclassified"])
    for name, file in pictures.items():
        note = f" ({min(misses, CONTACT_SHEET_CASES)} of {misses}, the highest score first)" * (name == "misclassified")
        lines += [f"{name}{note}:", "", f"![{name}]({file})", ""]
    return "\n".join(lines)


def _label_table(metrics: dict[str, Any]) -> list[str]:
    """Returns the lines of a table of each label against the rest."""
    header = ["label against the rest", "cases", "precision", "F1", *(RATES[key] for key in LABEL_RATES)]
    lines = [_row(header), _row(["---"] * len(header))]
    for label, rates in metrics["by_label"].items():
        counts = metrics["classification_report"][label]
        cells = [label, f"{counts['support']:.0f}", f"{counts['precision']:.3f}", f"{counts['f1-score']:.3f}"]
        lines.append(_row([*cells, *(_cell(rates[key], key) for key in LABEL_RATES)]))
    return lines


def _cell(rate: dict[str, Any] | None, key: str) -> str:
    if not rate:
        return ""
    return f"{value_words(rate, key)}, {interval_words(rate, key).partition(' (')[0]}".rstrip(", ")


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def doubt_lines(data: dict[str, Any]) -> list[str]:
    """Returns what makes the figures doubtful, for the top of the page, a paragraph each."""
    return [f"**{sentence}**\n" for sentence in data.get("doubts", [])]


def training_section(plot: str, warnings: list[str]) -> str:
    """Returns the section with the training curves. plot: their file; warnings: sentences on them."""
    lines = ["## Training", "", f"![accuracy and cross entropy over the steps]({plot})", "", *warnings]
    lines.append("Where validation has few cases, the band is the 95 % interval of its accuracy.")
    return "\n".join(lines) + "\n"


def data_section(data: dict[str, Any]) -> str:
    """Returns the section on the data, from a dictionary of counts and of lists of files; '' for an empty one."""
    if not data:
        return ""
    lines = ["## Data", ""]
    for name, value in data.items():
        if name == "doubts":  # they are at the top
            continue
        title = name.replace("_", " ")
        if isinstance(value, list):
            lines += [f"- {title}: {len(value)}"]
            lines += [f"  - {' = '.join(each) if isinstance(each, list) else each}" for each in value[:SHOWN_FILES]]
        elif isinstance(value, dict):
            lines += [f"- {title}: " + ", ".join(f"{key}: {count}" for key, count in value.items())]
        else:
            lines += [f"- {title}: {'not compared, too many' if value is None else value}"]
    return "\n".join(lines) + "\n"
