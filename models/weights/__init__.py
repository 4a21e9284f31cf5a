"""The shipped weights, and the files that weights are made of."""
