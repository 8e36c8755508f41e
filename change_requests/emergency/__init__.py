"""Open emergency accounts by two sealed halves, record what they do, and review it (M22, M23, M26, M27)."""
