"""The command line: one file a command, each of which parses, makes one call and prints."""
