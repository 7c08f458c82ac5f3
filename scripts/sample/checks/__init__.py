"""Checks of the committed sample against tables of their own, which know nothing of the generator.

`python -m scripts.sample --check` runs them with pytest. They are no part of `make test`: the sample's bytes are fixed
by checksums, so these checks say something new only when the bytes change. `sample_files`, `gazetteer` and
`russian_forms` are read by the tests in `tests/sample` too.
"""
