"""Fill the demo: people, tickets and requests of an invented month, made by the real operations."""
