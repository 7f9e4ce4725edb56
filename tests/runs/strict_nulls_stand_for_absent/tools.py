def book(guest, room="any", note=None, until="open"):
    return {"guest": guest, "room": room, "note": note, "until": until}
