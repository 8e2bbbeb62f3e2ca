# The last step of the first start: the cluster is whole. See start-server. The directory is synced, so that no crash
# brings the file back beside data that somebody has written since.
rm -f "$UNFINISHED"
sync "$(dirname "$UNFINISHED")"
