"""Serve third parties: what of a customer their agents do not see, and the record of what they saw (M3)."""
