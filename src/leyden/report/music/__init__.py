"""Songs that language models write."""
