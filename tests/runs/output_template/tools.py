def find(id):
    return {"id": id, "state": "open", "secretary": "not wanted"}
