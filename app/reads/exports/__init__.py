"""The graph as files for other tools: one snapshot each, streamed in constant memory."""
