-- Whether any migration was ever applied. No locks. One row.
SELECT to_regclass('_yoyo_migration') IS NOT NULL AS has;
