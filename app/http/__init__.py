"""The HTTP API. What is asked over HTTP is answered here; what the answers say comes from the other wings.

routes/ has a module for each noun, cached/ answers again until the graph changes, and openapi/ describes the API. A new
endpoint is a handler in its noun's module, and in the router at that module's end. A new problem is a class in
app.errors. Whatever wraps all requests (the log, HEAD, guards) is put together in asgi.
"""
