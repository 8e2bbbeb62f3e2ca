"""The OpenAPI document, its examples, its page at /doc, and the guide at /guide."""
