"""Bytes become posts and rejects: formats, encodings, columns, handles. Pure: no server, no file, no clock."""
