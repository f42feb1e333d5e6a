"""Floor 9: serve a saved model over HTTP. Requests that arrive together share one pass."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from nlptl.base.optional_packages import require
from nlptl.serving.limits import Limits

if TYPE_CHECKING:
    from nlptl.serving.answers import Predictor
    from nlptl.serving.guard import Guard

__all__ = ["Limits", "check_installed", "make_app"]


def make_app(
    model: Predictor,
    *,
    name: str = "model",
    limits: Limits | None = None,
    hosts: Collection[str] | None = None,
) -> Guard:
    """Build the ASGI application that answers requests with a fitted model.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
        Anything with ``predict``, and with ``predict_proba`` if it has ``classes_``. It predicts
        one text here, so that the first request does not wait for the weights.
    name : str
        Name of the model in ``/health`` and on the page.
    limits : Limits or None
        Limits on requests; None uses ``Limits()``.
    hosts : collection of str, optional
        Names that are accepted in the Host header; None accepts any name.

    Returns
    -------
    ASGI application
        For uvicorn or another server of one process: ``GET /``, ``GET /health``,
        ``POST /predict`` and ``GET /openapi.json``.

    Raises
    ------
    ConfigError
        If the extra ``serve`` is not installed, or if the model accepts neither single texts nor
        pairs of texts.

    Examples
    --------
    >>> from nlptl import TextClassifier, TfidfEncoder, support_requests
    >>> app = make_app(TextClassifier(TfidfEncoder()).fit(*support_requests()), name="support")
    """
    check_installed()
    from nlptl.serving.app import app_of

    return app_of(model, name=name, limits=limits or Limits(), hosts=hosts)


def check_installed() -> None:
    """Check that the packages for serving are installed.

    Raises
    ------
    ConfigError
        If a package is missing. The extra ``serve`` installs them.
    """
    for module in ("fastapi", "uvicorn"):
        require(module, extra="serve")
