"""Texts → instants, in any unambiguous spelling, a column at once. Pure."""
