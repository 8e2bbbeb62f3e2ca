-- The edges are others from now on, in whatever blocks: the next run looks at all of them.
UPDATE decay_heap SET filenode = 0;
