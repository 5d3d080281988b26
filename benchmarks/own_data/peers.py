"""Scikit-learn's usual models for frames, with the preprocessing that its guide gives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from benchmarks.own_data.cases import Case


def linear(case: Case, train: pd.DataFrame, test: pd.DataFrame) -> Any:
    """Logistic or ridge regression, its penalty by cross-validation; words by one hot, or by their tf-idf."""
    model: Any
    if case.kind == "classification":
        model = LogisticRegressionCV(Cs=6, cv=3, max_iter=300)
    else:
        model = RidgeCV(np.logspace(-3, 4, 15))
    return _answers(make_pipeline(_prepared(case, train, trees=False), model), case, train, test)


def boosting(case: Case, train: pd.DataFrame, test: pd.DataFrame) -> Any:
    """Gradient boosting of trees with its defaults and early stopping."""
    kind = HistGradientBoostingClassifier if case.kind == "classification" else HistGradientBoostingRegressor
    model = kind(early_stopping=True, max_iter=500, random_state=0)
    return _answers(make_pipeline(_prepared(case, train, trees=True), model), case, train, test)


def _answers(model: Any, case: Case, train: pd.DataFrame, test: pd.DataFrame) -> Any:
    inputs = [_plain(rows.drop(columns=case.predict)) for rows in (train, test)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that have not converged
        return model.fit(inputs[0], train[case.predict]).predict(inputs[1])


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Dates as numbers: days, the day of the year and of the week."""
    rows = rows.copy()
    for name in rows.select_dtypes("datetime"):
        when = rows.pop(name)
        rows[f"{name} days"] = (when - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1)
        rows[f"{name} of year"], rows[f"{name} of week"] = when.dt.dayofyear, when.dt.dayofweek
    return rows


def _prepared(case: Case, train: pd.DataFrame, *, trees: bool) -> Any:
    rows = _plain(train.drop(columns=case.predict))
    texts = [name for name in rows.select_dtypes("object") if rows[name].nunique() > 0.5 * len(rows)]
    if texts:
        words = TfidfVectorizer(min_df=2, ngram_range=(1, 2), sublinear_tf=True)
        if not trees:
            return make_column_transformer((words, texts[0]))
        from sklearn.decomposition import TruncatedSVD

        return make_column_transformer((make_pipeline(words, TruncatedSVD(100, random_state=0)), texts[0]))
    categories = make_column_selector(dtype_include=["object", "bool", "category"])
    numbers = make_column_selector(dtype_include="number")
    if trees:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
        return make_column_transformer((codes, categories), (StandardScaler(), numbers))
    one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=2)
    filled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    return make_column_transformer((one_hot, categories), (filled, numbers))
