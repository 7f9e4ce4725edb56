def order(lines, address, express):
    return {"lines": lines, "address": address, "express": express}
