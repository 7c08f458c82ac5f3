"""The bundle `mini`: a small multilingual encoder, sample data in eight languages and the preset that uses both.

Data files only; `xrobust.bundles` finds them by the folder's name.
"""
