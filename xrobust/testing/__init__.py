"""Tools for plugin authors to check their own plugins."""

from xrobust.testing.perturbations import check_golden_case, check_perturbation

__all__ = ["check_golden_case", "check_perturbation"]
