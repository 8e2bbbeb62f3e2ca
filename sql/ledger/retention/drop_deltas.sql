-- Deletes the merged deltas of these batches; a pending delta is never purged. All deltas of a batch go at once, with
-- its payload, so no batch is half in the provenance. Locks: the caller has locked the batches and their upload. Rows:
-- none.
DELETE FROM deltas WHERE batch_id = ANY(%(batch_ids)s::bigint[]) AND merged_at IS NOT NULL;
