-- The upload with the most batches.
SELECT id FROM uploads WHERE state = 'applied' ORDER BY batch_count DESC, id LIMIT 1;
