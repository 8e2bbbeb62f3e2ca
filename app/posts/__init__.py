"""Bytes become posts and rejects: formats, encodings, columns, timestamps, handles. Pure: no server, no file, no clock."""
