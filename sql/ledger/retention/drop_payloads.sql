-- The batches' payloads go. The rows and their upload's are locked, and the upload is finished.
UPDATE batches SET payload = NULL WHERE id = ANY(%(batch_ids)s::bigint[]) AND payload IS NOT NULL;
