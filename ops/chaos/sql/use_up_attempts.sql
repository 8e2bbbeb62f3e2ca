-- A batch has no attempt left, as if each had killed its worker: it fails, and is replayed by its client.
UPDATE batches SET attempts = 1000
WHERE id = (
  SELECT b.id FROM batches AS b INNER JOIN uploads AS u ON u.id = b.upload_id
  WHERE b.state = 'staged' AND b.claim IS NULL AND u.state IN ('staged', 'applying')
  ORDER BY b.id DESC LIMIT 1 FOR UPDATE OF b SKIP LOCKED
);
