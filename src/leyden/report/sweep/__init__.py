"""What a sweep or a search shows while it runs, and what it leaves behind."""
