-- Which database this was when `claim` wrote it, and of which graph. Locks: none. Rows: one, or none.
SELECT secret FROM secrets WHERE name = 'graph';
