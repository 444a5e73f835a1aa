"""Networks of detectors: backbones with several maps, pyramids, heads."""
