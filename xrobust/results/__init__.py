"""Results: the document, its folder, and finding documents. Never imports torch."""
