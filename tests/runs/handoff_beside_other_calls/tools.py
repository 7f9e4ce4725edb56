def note():
    return "noted"
