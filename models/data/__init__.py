"""Clips to learn from: public sets, manifests, leaks, views and embeddings of them."""
