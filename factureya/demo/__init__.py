"""The demo's data and how it is played: people and tickets of an invented month, through the real operations."""
