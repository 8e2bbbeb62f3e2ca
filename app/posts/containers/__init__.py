"""What a file is packed in: compression, zips, workbooks, Parquet; in bounded pieces. Pure."""
