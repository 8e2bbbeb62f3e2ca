-- The batches' merged deltas go; pending ones are never purged. All of a batch go at once, with its payload, so that no
-- batch is half in the provenance.
DELETE FROM deltas WHERE batch_id = ANY(%(batch_ids)s::bigint[]) AND merged_at IS NOT NULL;
