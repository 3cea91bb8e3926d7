"""How the Vertex AI store does it: its table, its SQL, its set-up."""
