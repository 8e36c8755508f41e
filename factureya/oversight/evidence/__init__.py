"""Count today's evidence of each clause of the manual; one module for each group of clauses."""
