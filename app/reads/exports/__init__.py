"""Exports write the graph as files for other tools. Each file is one snapshot, streamed in constant memory."""
