"""From motion views to probabilities: engines, heads, weights, and the batching worker."""
