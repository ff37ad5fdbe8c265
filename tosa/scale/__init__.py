"""Many files at once: where they are, what answers them, what is done already, and the table of results."""
