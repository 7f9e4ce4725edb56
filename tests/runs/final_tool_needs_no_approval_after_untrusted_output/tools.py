def read_page():
    return "3 EUR"
