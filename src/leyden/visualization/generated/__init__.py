"""Images of what generators make besides images: rows of tables, volumes."""
