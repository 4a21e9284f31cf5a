"""The commands that models add to `jikimi`: data, train, evaluate, export."""
