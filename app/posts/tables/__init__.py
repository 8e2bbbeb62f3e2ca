"""CSV → rows: where rows and fields begin and end, the header, the cells. Pure."""
