"""Sources of texts with classes: files and packages; one file, one layout."""
