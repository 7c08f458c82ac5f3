"""Methods of other papers to compare with, using nothing but the public API of xrobust."""
