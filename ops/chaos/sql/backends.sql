-- Server processes of our processes.
SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'mentiongraph %' AND pid <> pg_backend_pid() ORDER BY pid;
