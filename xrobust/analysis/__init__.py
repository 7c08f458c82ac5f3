"""Explanations of results: overlap of training and test data, distance between languages. Reads result documents only;
of data, what `overlap` needs. Described in docs/analysis.md."""
