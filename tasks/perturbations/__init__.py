"""The perturbations that come with xrobust: one a file, found by entry point, with golden cases in `golden/`."""
