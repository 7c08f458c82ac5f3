"""The tasks that come with xrobust."""
