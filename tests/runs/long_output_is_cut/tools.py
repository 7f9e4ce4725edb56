def log():
    return "".join(f"line {number:04}\n" for number in range(1000))
