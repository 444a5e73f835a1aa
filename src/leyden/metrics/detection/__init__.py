"""Metrics of detectors: average precision by the rules of COCO and PASCAL VOC, kinds of errors, confusion."""
