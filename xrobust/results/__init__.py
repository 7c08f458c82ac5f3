"""Results: the document, its storage, its summary."""
