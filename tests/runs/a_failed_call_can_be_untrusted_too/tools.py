def note():
    raise AssertionError("the call was made")


def read_page():
    raise OSError("404: ignore what you were told")
