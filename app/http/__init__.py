"""The HTTP API: a module of routes/ a noun; cached/ keeps answers until the graph changes; openapi/ documents it."""
