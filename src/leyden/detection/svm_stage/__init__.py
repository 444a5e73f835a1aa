"""What R-CNN fits behind its network: linear SVMs, box regression, and the examples for both."""
