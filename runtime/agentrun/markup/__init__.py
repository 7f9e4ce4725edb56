"""Texts of files, models and tools inside of what others read: a terminal, XML, Markdown, GitHub's workflow commands.

Each file owns one such language: how a text is written in it so that it is read as that text, whatever it holds.
"""
