"""Domain adaptation: labels of a source domain, images of a target domain whose labels are never seen."""
