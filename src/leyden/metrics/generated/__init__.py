"""Of what a generator makes: images, and volumes."""
