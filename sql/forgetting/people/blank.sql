-- Blanks a handle. The row keeps its id, so that no other handle gets the id, and all other ids stay. Locks: the caller
-- holds the locks of all stretches of users. Rows: none; the count is the answer.
UPDATE users SET handle = '', spelling = '' WHERE handle COLLATE "C" = %(handle)s::text;
