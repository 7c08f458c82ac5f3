"""Parts of a comparison: its document, the two sides, estimates, sentences, examples that change sides."""
