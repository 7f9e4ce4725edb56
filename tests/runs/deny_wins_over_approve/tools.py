def refund(amount):
    assert amount < 100, "a denied call was made"
    return f"refunded {amount}"
