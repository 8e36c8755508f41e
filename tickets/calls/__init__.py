"""Take phone calls: who calls, the code that proves it, and what may be said and changed then (M2–M5)."""
