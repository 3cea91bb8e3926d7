"""How an execution is measured, and how its record gets into the journal."""
