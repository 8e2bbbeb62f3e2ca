"""Commands that ask about the graph, over the HTTP API: who is first, a user, an edge, a path.

Each command asks the routes of the same noun, and names its options and columns as the routes name them. So nobody
needs curl. The commands print a table, CSV or JSON, and change nothing.
"""
