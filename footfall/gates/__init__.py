"""Run an expectation suite at one of the three doors and keep the verdict."""
