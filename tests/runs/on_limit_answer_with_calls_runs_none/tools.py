def add(a, b):
    raise AssertionError("a call beyond the limit was made")
