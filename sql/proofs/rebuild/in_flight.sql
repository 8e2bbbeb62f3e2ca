-- Uploads that are on their way into the graph or out of it. The shards are locked. One row.
SELECT count(*) AS uploads FROM uploads WHERE state IN ('staged', 'applying', 'cancelling', 'retracting');
