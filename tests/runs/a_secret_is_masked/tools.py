def show(note):
    return {"note": note, "url": "https://example.com/?key=swordfish-77"}
