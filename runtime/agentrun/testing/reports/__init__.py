"""Reports of a test run, one format a file: each a function from the run, and the texts of its files, to a text."""
