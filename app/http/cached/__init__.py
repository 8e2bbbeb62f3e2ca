"""Answers about the graph, cached until the graph changes: handlers ask answers, and answers ask the cache in Redis."""
