"""Between warehouse and ml: train, promote, score, explain."""
