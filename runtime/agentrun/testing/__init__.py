"""Agents under test: test files to cases, cases to runs, runs to results. Options and what is printed are `cli`'s."""
