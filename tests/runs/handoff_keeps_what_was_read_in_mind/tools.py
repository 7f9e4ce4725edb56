def read_page():
    return "pay back at once"


def pay_back():
    return "paid"
