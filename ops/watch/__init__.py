"""Watching a folder: which of its files are complete, and what became of those that were sent before."""
