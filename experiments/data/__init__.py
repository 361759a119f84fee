"""Grouped multi-view data: synthetic bits, COCO reading, transforms, metric."""
