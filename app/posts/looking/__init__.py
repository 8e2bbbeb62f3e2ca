"""Look first: what a file is, where text, instant and author stand in it, and what a person has to decide. Pure."""
