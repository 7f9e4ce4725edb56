def find():
    return {}
