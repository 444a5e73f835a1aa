"""Domain adaptation by gradient descent: a loss on the features of both domains, or batch norms, or players."""
