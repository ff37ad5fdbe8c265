"""Batches of training pictures for Keras' fit, drawn by worker processes while the network trains."""

import multiprocessing
import os
import signal

import keras
import numpy as np

from tosa.errors import UsageError
from tosa.training.trunk.sampler import Sampler

MOST_WORKERS = 16


class Batches(keras.utils.PyDataset):
    """The batches of one short epoch at a time. Each depends only on the seed and the number of its step."""

    def __init__(self, sampler: Sampler, epoch_steps: int) -> None:
        """epoch_steps: the length of an epoch. Set `epoch` before each one: workers are restarted with it."""
        workers = max(1, min(MOST_WORKERS, len(os.sched_getaffinity(0)) - 1))
        super().__init__(workers=workers, use_multiprocessing=True, max_queue_size=2 * workers)
        self.sampler, self.epoch_steps, self.epoch = sampler, epoch_steps, 0
        self.errors: multiprocessing.SimpleQueue = multiprocessing.SimpleQueue()  # sentences for the user, from workers

    def __len__(self) -> int:
        return self.epoch_steps

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns pictures uint8 (batch, size, size, 3) and columns int64 (batch,) of a step of the epoch."""
        if multiprocessing.parent_process():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process answers Ctrl-C, and ends its workers
        try:
            return self.sampler.batch(self.epoch * self.epoch_steps + index)
        except UsageError as error:
            self.errors.put(str(error))
            raise

    def error(self) -> UsageError | None:
        """Returns what a worker could not do, which backends report in their own words; None if there is nothing."""
        return UsageError(self.errors.get()) if not self.errors.empty() else None
