"""What holds of values, calls and requests: each file one part of what a case may expect. All of it is pure."""
