-- From now on the blocks hold other edges, so the next run looks at every block. Locks: the row of decay_heap. Rows:
-- none.
UPDATE decay_heap SET filenode = 0;
