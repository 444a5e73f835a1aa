"""Pictures of what a network does: a tensor in, a uint8 RGB image (3, H, W) out."""
