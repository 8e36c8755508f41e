"""Say what events tell of requests, and compare the rows with them (M26)."""
