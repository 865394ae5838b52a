"""The ground that everything stands on: errors, progress, files, the terminal."""
