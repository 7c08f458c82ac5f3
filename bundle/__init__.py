"""What comes with xrobust: the encoder and the sample data `mini`, and the presets.

Data files only; `xrobust.bundles` finds them by an entry point and imports nothing.
"""
