"""The classifier's life: data sets, training, evaluation, export, and the shipped weights."""
