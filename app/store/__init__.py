"""PostgreSQL and Redis: connections, locks, migrations, the broker. Nothing here knows a row, an upload or an edge."""
