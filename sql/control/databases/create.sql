-- The statement that creates an empty database with the encoding and locale of this one, and without what may be in
-- template1. Locks: none. Rows: one.
SELECT
  format(
    'CREATE DATABASE %%I TEMPLATE template0 ENCODING %%L LOCALE_PROVIDER %%s LC_COLLATE %%L LC_CTYPE %%L%%s',
    %(database)s::text, pg_encoding_to_char(d.encoding),
    CASE d.datlocprovider WHEN 'b' THEN 'builtin' WHEN 'i' THEN 'icu' ELSE 'libc' END,
    d.datcollate, d.datctype,
    CASE d.datlocprovider
      WHEN 'b' THEN format(' BUILTIN_LOCALE %%L', d.datlocale)
      WHEN 'i' THEN format(' ICU_LOCALE %%L', d.datlocale)
      ELSE ''
    END
  ) AS statement
FROM pg_database AS d
WHERE d.datname = current_database();
