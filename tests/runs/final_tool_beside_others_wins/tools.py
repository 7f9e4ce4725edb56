def pay():
    raise AssertionError("a call beside a final tool was made")
