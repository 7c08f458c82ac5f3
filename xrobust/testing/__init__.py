"""What plugin authors check their own plugins with."""

from xrobust.testing.perturbations import check_golden_case, check_perturbation

__all__ = ["check_golden_case", "check_perturbation"]
