"""The demo's formal requests, in every state, lived through the real operations."""
