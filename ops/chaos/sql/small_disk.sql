CREATE TABLESPACE small_disk LOCATION %(path)s;
