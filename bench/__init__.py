"""Speed figures, each beside its physical limit, measured in turns in one run."""
