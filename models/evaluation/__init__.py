"""How good weights are: on clips, on untrimmed hours, on normal days."""
