-- This process ends as it should.
DELETE FROM processes WHERE host = %(host)s::text AND pid = %(pid)s::integer AND born = %(born)s::bigint;
