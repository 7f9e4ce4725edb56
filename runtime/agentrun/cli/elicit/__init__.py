"""What a server asks of a person in the middle of a call, asked at a terminal."""
