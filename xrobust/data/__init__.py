"""Data: where examples come from, and whether a run can use them."""

from xrobust.data.checks import checked, fingerprint
from xrobust.data.sources import data_folder, open_source

__all__ = ["checked", "data_folder", "fingerprint", "open_source"]
