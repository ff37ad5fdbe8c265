"""The trainer: data -> features -> head or trunk -> graph -> report, and the commands that put these steps together."""
