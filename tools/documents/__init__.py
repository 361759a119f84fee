"""``make docs``: the reference pages in ``docs/reference``, written from the code that they describe."""
