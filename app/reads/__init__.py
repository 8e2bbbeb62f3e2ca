"""Questions about the graph, and exports of it. Nothing here changes anything."""
