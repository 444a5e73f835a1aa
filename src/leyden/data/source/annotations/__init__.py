"""Sources of images with boxes in the formats of COCO, PASCAL VOC and YOLO."""
