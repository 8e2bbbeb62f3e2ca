"""JSON → rows: lists, pages and lines of objects, and places within an object. Pure."""
