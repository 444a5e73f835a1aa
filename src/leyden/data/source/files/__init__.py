"""Sources that read image files from the user's folders."""
