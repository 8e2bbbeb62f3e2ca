"""The HTTP API. One module of routes/ a noun; cached/ keeps answers until the graph changes; openapi/ documents both."""
