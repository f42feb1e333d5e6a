import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from nlptl.heads.score_heads import LinearScores, ScoringHead


class Fixed(LinearScores):
    def fit(self, X, y):
        self.classes_ = np.array(["a", "b"])
        self.coef_, self.intercept_ = np.eye(2), np.array([0.0, np.log(3.0)])
        self.n_features_in_ = 2
        return self


def test_scores_become_probabilities_and_classes():
    head = Fixed().fit(None, None)
    X = np.array([[0.0, 0.0], [5.0, 0.0]])
    np.testing.assert_allclose(head.logits(X), [[0, np.log(3)], [5, np.log(3)]])
    np.testing.assert_allclose(head.predict_proba(X)[0], [0.25, 0.75])
    assert head.predict(X).tolist() == ["b", "a"]


def test_before_fit_there_are_no_scores():
    with pytest.raises(NotFittedError):
        Fixed().predict([[0.0, 0.0]])
    with pytest.raises(TypeError, match="abstract"):
        ScoringHead()
