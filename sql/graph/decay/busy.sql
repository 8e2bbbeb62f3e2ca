-- Tells whether an upload is on its way into the graph or out of it. Locks: none. Rows: one.
SELECT EXISTS(SELECT FROM uploads WHERE finished_at IS NULL) AS busy;
