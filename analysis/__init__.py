"""What the records mean: tables, charts, statistics. Imports neither torch nor mmdet."""
