"""Problems from frames of pandas: rows with columns of numbers, categories, dates and texts.

- ``frame``: the parts of a problem from a frame
- ``files``, ``folders``: frames from files, and from folders of images
- ``dividing``: how rows are divided
- ``preprocessing``: `Preprocessing`, which makes inputs of rows
- ``inference``: what columns are
- ``targets``: the tasks of target columns
- ``kinds``: the kinds of columns by name
- ``columns``, ``images``: columns and the numbers that they become
- ``words``: words for tasks, of texts, and as names
"""
