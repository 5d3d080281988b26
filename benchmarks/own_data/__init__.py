"""Data as people have them, searched by the default in three lines, beside scikit-learn's usual models.

Each case is a frame of pandas, or a file of it: rows with words, gaps and dates, numbers in their own units.
The search gets a part of the rows, and answers the rest, which it has never seen; so do logistic or ridge
regression and gradient boosting, with the preprocessing that their guide gives. Both are scored in the same
way: the share of right answers, or the coefficient of determination.
"""
