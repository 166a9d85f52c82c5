"""Other people's media: fetching it safely, and learning what it is.

- ``addresses``, ``guard``: where no request may go
- ``source``: bytes of a URL, in constant memory
- ``probe``: the facts of a picture or video; ``decoder`` is the process that reads it
"""
