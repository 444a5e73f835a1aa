"""What a test reports of a detector: scores, time per image, COCO's result format."""
