"""A fine-tuned network in one file, with all that another machine needs to finish it into a graph."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tosa.errors import UsageError
from tosa.model.metadata import GraphMetadata
from tosa.training.data.contamination import SCOPE, SeenFiles
from tosa.training.data.dataset import Case
from tosa.training.files import save_arrays
from tosa.training.head.head import Head

SETTINGS = "settings"
WEIGHTS, BIASES = "head__weights", "head__biases"


@dataclass(frozen=True, eq=False)
class FineTuned:
    """Weights of trunk and last layers, not calibrated, and where they come from."""

    trunk: Mapping[str, np.ndarray]  # as inception.load_arrays takes them
    weights: np.ndarray  # float32 (features, columns), of all tasks side by side
    biases: np.ndarray  # float32 (columns,)
    columns: tuple[tuple[str, str], ...]  # (task, label) of each
    metadata: GraphMetadata  # preprocessing, recipe, weights_sha256, files, before
    seen: SeenFiles = field(default_factory=SeenFiles)  # what the trunk was fine-tuned on, as far as it is known
    cases_sha256: str | None = None  # of the cases and their splits, by cases_digest; None if unknown

    def heads(self) -> list[Head]:
        """Returns the last layers as one head a task."""
        heads = []
        for task in dict.fromkeys(task for task, _ in self.columns):
            chosen = [column for column, (of, _) in enumerate(self.columns) if of == task]
            labels = tuple(self.columns[column][1] for column in chosen)
            heads.append(Head(task, labels, self.weights[:, chosen], self.biases[chosen]))
        return heads

    def write(self, file: Path) -> None:
        """Writes an .npz file: the trunk's arrays, head__weights, head__biases, fingerprints, the JSON text `settings`.

        settings: `columns`, a list of [task, label]; `metadata`, as a graph carries it; `cases_sha256` or null.
        """
        settings = {
            "columns": self.columns,
            "metadata": json.loads(self.metadata.to_json()),
            "cases_sha256": self.cases_sha256,
        }
        heads = {WEIGHTS: self.weights, BIASES: self.biases, SETTINGS: np.array(json.dumps(settings))}
        save_arrays(file, **self.trunk, **heads, **self.seen.constants())

    @classmethod
    def read(cls, file: Path) -> "FineTuned":
        """Returns what `write` wrote. Raises UsageError, which names the file, for other and damaged files."""
        if file.is_file() and not zipfile.is_zipfile(file):  # NumPy would advise to unpickle it
            raise UsageError(f"'{file}' is not a whole file that --output_weights wrote: it is not an .npz archive.")
        try:
            with np.load(file, allow_pickle=False) as arrays:
                stored = {name: arrays[name] for name in arrays.files}
            settings = json.loads(str(stored.pop(SETTINGS)))
            weights, biases = stored.pop(WEIGHTS).astype(np.float32), stored.pop(BIASES).astype(np.float32)
            seen = {name: stored.pop(name) for name in list(stored) if name.startswith(f"{SCOPE}/")}
            columns = tuple((str(task), str(label)) for task, label in settings["columns"])
            metadata = GraphMetadata.from_json(json.dumps(settings["metadata"]))
        except FileNotFoundError as error:
            raise UsageError(f"'{file}' does not exist.") from error
        except Exception as error:  # NumPy, zipfile and json each have their own
            raise UsageError(f"'{file}' is not a whole file that --output_weights wrote: {error}") from error
        if weights.ndim != 2 or (weights.shape[1], *biases.shape) != (len(columns), len(columns)):
            raise UsageError(f"'{file}' has last layers for other columns than the {len(columns)} that it names.")
        return cls(
            stored, weights, biases, columns, metadata, SeenFiles.of_constants(seen), settings.get("cases_sha256")
        )


def is_fine_tuned(file: Path) -> bool:
    """Returns whether a file is an .npz with settings, as FineTuned writes it; others hold a trunk alone."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return SETTINGS in arrays.files
    except (
        OSError,
        ValueError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
    ):  # no .npz, or a damaged one, which loading it will name
        return False


def cases_digest(cases: Sequence[Case]) -> str:
    """Returns a SHA-256 of the cases and their splits, by the files' names without their folders: hexadecimal."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(f"{case.file.name}\t{case.task}\t{case.label}\t{case.group}\t{case.split}\t\n".encode())
    return digest.hexdigest()
