"""How records get from a journal to a remote store: marks, delivery, quarantine."""
