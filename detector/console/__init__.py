"""The operator's console: pages and an interface over HTTP, on the port of metrics and health.

It knows the daemon by `monitor.Monitor` alone, and the journal and the evidence as they are.
"""
