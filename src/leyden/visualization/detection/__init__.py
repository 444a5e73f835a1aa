"""Images with boxes, proposals, default boxes and feature maps drawn into them."""
