"""How the MongoDB store does it: its client, its documents, its aggregation."""
