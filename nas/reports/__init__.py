"""Reports: one page in one file that shows a search to people, also while it runs.

`nas.reports.content` gathers what is to be shown as plain data, `nas.reports.page` writes it into a page,
`nas.reports.watching` writes it again and again.
"""
