"""Frames in, frames out: features, split, train, evaluate, audit, promote, score, explain."""
