-- Tells whether an upload has batches in the graph whose deltas were purged, or whose posts cannot be handed over any
-- more: then the upload cannot be taken out. Locks: none. Rows: one.
SELECT EXISTS(
  SELECT FROM batches AS b
  WHERE
    b.upload_id = %(upload_id)s::uuid AND b.state = 'applied'
    AND (
      (b.edges > 0 AND NOT EXISTS (SELECT FROM deltas AS d WHERE d.batch_id = b.id))
      OR (b.ids_owned > 0 AND b.payload IS NULL)
    )
) AS purged;
