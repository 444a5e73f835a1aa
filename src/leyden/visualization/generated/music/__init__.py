"""Songs as images and as sound."""
