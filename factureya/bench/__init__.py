"""Load data in bulk and the measurements of docs/benchmarks.md; nothing here runs in production."""
