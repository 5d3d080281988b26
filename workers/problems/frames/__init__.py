"""Problems from frames of pandas: rows with columns of numbers, categories, dates and texts.

- ``frame``: the parts of a problem from a frame
- ``files``: frames from files
- ``dividing``: how rows are divided
- ``preprocessing``: `Preprocessing`, which makes inputs of rows
- ``inference``: what columns are
- ``columns``, ``words``: the kinds of columns, and the words of texts
"""
