"""Random changes of whole batches of images on tensors, pure functions of the numbers that they are given."""
