"""Sessions on the command line: which one is meant, and how they are listed, shown and taken up again."""
