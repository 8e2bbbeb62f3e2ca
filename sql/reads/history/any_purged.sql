-- Whether some upload is in the graph whose deltas were purged. No locks. One row.
SELECT EXISTS(
  SELECT FROM uploads WHERE purged_at IS NOT NULL AND state IN ('applied', 'failed')
) AS purged;
