"""Estimators for several languages: classifiers, their scores by language, encoder students."""
