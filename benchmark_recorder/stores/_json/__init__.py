"""How the JSON file store does it: the document's format, its tail, its columns, its care."""
