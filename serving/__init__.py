"""A list someone acts on."""
