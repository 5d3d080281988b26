"""Reports: one page in one file that shows a search to people, also while it runs.

`content` gathers what is to be shown as plain data (trials by column in `columns`), `page` writes it into one
HTML file with the scripts of ``assets``, `watching` writes that once, or again and again.
"""
