"""A saved model as a small HTTP service: requests that arrive together are answered together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nlptl.base.lazy import require
from nlptl.serving.limits import Limits

__all__ = ["Limits", "check_installed", "make_app"]


def make_app(
    model: Any,
    *,
    name: str = "model",
    limits: Limits | None = None,
    hosts: Collection[str] | None = None,
) -> Any:
    """Make the ASGI application that answers for a fitted model.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
        Anything with ``predict``, and with ``predict_proba`` where it has ``classes_``. It is
        asked for one text here already, so that the first request need not wait for weights.
    name : str
        What ``/health`` and the page call it.
    limits : Limits or None
        None is ``Limits()``.
    hosts : collection of str, optional
        Names in the Host header that are answered; None answers any.

    Returns
    -------
    ASGI application
        For uvicorn or another server of one process: ``GET /``, ``GET /health``,
        ``POST /predict`` and ``GET /openapi.json``.

    Raises
    ------
    ConfigError
        If the extra ``serve`` is not installed, or the model answers neither for single texts
        nor for pairs of them.

    Examples
    --------
    >>> from nlptl import TextClassifier, TfidfEncoder, support_requests
    >>> app = make_app(TextClassifier(TfidfEncoder()).fit(*support_requests()), name="support")
    """
    check_installed()
    from nlptl.serving.app import app_of

    return app_of(model, name=name, limits=limits or Limits(), hosts=hosts)


def check_installed() -> None:
    """Refuse to serve without the packages for it.

    Raises
    ------
    ConfigError
        If one is not there: they come with the extra ``serve``.
    """
    for module in ("fastapi", "uvicorn"):
        require(module, extra="serve")
