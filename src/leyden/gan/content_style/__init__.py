"""Content and style apart: what is on an image, and how it is drawn, from two images."""
