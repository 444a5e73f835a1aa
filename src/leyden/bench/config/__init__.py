"""From overrides on the command line to one checked config, and from that to objects."""
