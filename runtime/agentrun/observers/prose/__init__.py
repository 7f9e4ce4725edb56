"""Markdown as it streams to a terminal: text appears word by word, and nothing that was written is written again.

`markdown` is the whole of it; `blocks` tells what a line is, `inline` and `spans` what its words are, `flow` breaks
rows, `code` and `tables` draw what they are called after. All take text that passed the escaping sink.
"""
