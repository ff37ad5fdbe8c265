"""What the training curves show that whoever trained should know."""

import numpy as np

from tosa.training.tensorboard_curves import Points

FEWEST_POINTS = 8  # of a curve that is judged
SMOOTHED = 20  # the mean of this part of a curve, a twentieth, takes out the noise of drawn batches
EARLY = 2 / 3  # of the training; a lowest loss after this is near enough to the end
RISE = 1.2  # by which the last loss exceeds the lowest
LEAST_RISE = 0.02  # nats


def warnings_of(curves: Points) -> list[str]:
    """Returns a sentence about each validation loss that rises for a long part of the training, with what helps."""
    sentences = []
    for (split, tag), points in sorted(curves.items()):
        if split != "validation" or not tag.startswith("cross_entropy") or len(points) < FEWEST_POINTS:
            continue
        steps, losses = (np.array(column) for column in zip(*points, strict=True))
        width = max(1, len(losses) // SMOOTHED)
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        lowest, last = int(smooth.argmin()), float(smooth[-1])
        if lowest > EARLY * len(smooth) or last < max(RISE * smooth[lowest], smooth[lowest] + LEAST_RISE):
            continue
        step = int(steps[lowest + width // 2])
        task = tag.partition("/")[2]
        sentences.append(
            f"The validation loss{f' of {task}' if task else ''} was lowest, {smooth[lowest]:.3f}, around step {step} "
            f"and rose to {last:.3f} by step {steps[-1]}: since then the network fits its training cases and no others "
            f"(overfitting). What helps: fewer steps (--how_many_training_steps={max(step, 1)}), weight decay (--refit "
            "chooses it), or more cases."
        )
    return sentences
