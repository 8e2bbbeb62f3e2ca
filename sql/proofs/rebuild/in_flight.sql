-- The number of uploads that are on their way into the graph or out of it. Locks: the caller holds every shard's lock.
-- Rows: one.
SELECT count(*) AS uploads FROM uploads WHERE state IN ('staged', 'applying', 'cancelling', 'retracting');
