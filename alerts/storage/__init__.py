"""What is kept on disk: the outbox, and databases written behind whoever changes them."""
