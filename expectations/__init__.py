"""The expectation suites at the three doors: events in, features to ml, scores out."""
