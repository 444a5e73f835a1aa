"""What R-CNN trains behind its network: linear SVMs and box regression, and the examples for both."""
