"""Keep the record whole: the daily anchors, the guards that were installed, and rows compared with events (M26)."""
