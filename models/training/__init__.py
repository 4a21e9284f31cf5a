"""Training: a head on frozen features, fine-tuning, adapting to a site."""
