"""The race that shows what sharing a quota means: three ways, one judge."""
