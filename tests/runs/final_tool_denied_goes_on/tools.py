def look():
    raise AssertionError("a call beside a final tool was made")
