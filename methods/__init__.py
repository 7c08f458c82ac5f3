"""The methods that come with xrobust."""
