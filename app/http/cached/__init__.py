"""Answers about the graph, kept until the graph changes."""
