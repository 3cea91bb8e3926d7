"""Where records live; each store is a module of its own."""
