"""The trainer, one stage a file: cases -> augment -> bottlenecks -> head or fine_tune -> export -> report."""
