"""Making a release: NOTICE, the sums of migrations, and the check that what was built runs. Not in the wheel."""
