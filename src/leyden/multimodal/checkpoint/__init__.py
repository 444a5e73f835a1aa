"""Networks of images and text that were trained before: our own, and published ones."""
