"""The page that `jikimi evaluate` writes."""
