-- Uploads that are not applied, and with them what else is left to do: deltas to summarize, and spans to send. One row.
SELECT u.unapplied, u.unapplied + u.untraced + d.unsummarized AS left_to_do
FROM
  (
    SELECT
      count(*) FILTER (WHERE finished_at IS NULL) AS unapplied, count(*) FILTER (WHERE trace_due) AS untraced
    FROM uploads
  ) AS u
CROSS JOIN (SELECT count(*) AS unsummarized FROM deltas WHERE merged_at IS NULL OR summarized_at IS NULL) AS d;
