def refund(amount):
    return f"refunded {amount}"


def delete_order():
    raise AssertionError("a denied call was made")


def find():
    return "found"
