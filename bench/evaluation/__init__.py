"""The project's own measurements: accuracy, other converters and runtimes, the zoo. Not in the wheel."""
