def look():
    return "nothing"


def pay_back():
    return "paid"
