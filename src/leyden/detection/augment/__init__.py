"""Random changes of images that move their boxes too."""
