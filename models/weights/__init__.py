"""Published weights: entries, download, and the layouts of their keys."""
