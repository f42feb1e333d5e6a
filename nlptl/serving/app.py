"""Define the application: its routes, its answers and its error responses."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import platform
import re
from collections.abc import Collection, Sequence
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, FailFast, Field, model_validator

from nlptl.base.errors import InputError
from nlptl.data.rows import Rows, as_rows
from nlptl.encoders.contextual.onnx.backend import beginning_long_run
from nlptl.serving.answers import Predictor, answers, check_classes, classes_of, shapes_of
from nlptl.serving.batching import Batcher, BusyError
from nlptl.serving.guard import Guard, log_failure
from nlptl.serving.limits import Limits

_SHAPES = {False: "texts", True: "pairs of texts"}
_MAX_MESSAGE = 300
"""Maximum length of a reason in characters; a reason may quote the text that it is about."""

_PATHS = (
    "There is no such path. GET / is a page with a form, POST /predict returns predictions, GET "
    "/health describes the model and GET /openapi.json the interface."
)

_REPORTED_PACKAGES = ("nlptl", "torch", "transformers", "scikit-learn")


class Question(BaseModel):
    """Body of a request: one text or several.

    A text is a string, or a list of two strings if the model reads pairs.
    """

    text: str | tuple[str, str] | None = None
    texts: Annotated[list[str | tuple[str, str]], FailFast()] = Field(default_factory=list)
    """Validation stops at the first wrong item: collecting a million errors takes minutes."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, body: object) -> object:
        if isinstance(body, dict) and not body.keys() <= {"text", "texts"}:
            raise ValueError("unknown keys")
        return body


class Predictions(BaseModel):
    """Body of a response: one answer per text, in the order of the texts."""

    predictions: list[dict[str, Any]]


class Refusal(BaseModel):
    """Body of an error response: the reason, in one line."""

    detail: str


def app_of(
    model: Predictor, *, name: str, limits: Limits, hosts: Collection[str] | None = None
) -> Guard:
    """Build the application for a model, wrapped in its guard.

    Raises
    ------
    ConfigError
        If the model accepts neither single texts nor pairs of texts, or if JSON cannot hold its
        classes.
    """
    service = Service(model, name, limits)
    # Texts must not leave the process through telemetry, even if the environment enables it.
    telemetry: Any = dict.fromkeys(("auto_configure", "tracing", "metrics", "logs"), False)
    about: dict[str, Any] = {"title": f"nlptl: {name}", "version": version("nlptl")}
    app = FastAPI(docs_url=None, redoc_url=None, telemetry=telemetry, **about)
    refusals: Any = {code: {"model": Refusal} for code in (400, 408, 413, 415, 422, 500, 503, 504)}
    app.add_api_route(
        "/predict",
        service.predict,
        methods=["POST"],
        response_model=Predictions,
        responses=refusals,
    )
    app.add_api_route("/health", service.health, methods=["GET"])
    app.add_api_route("/", service.page, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(404, _unknown)
    app.add_exception_handler(Exception, _failed)
    return Guard(app, limits, hosts)


class Service:
    """A model, its description and its queue of requests.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
    name : str
        Name of the model in ``/health`` and on the page.
    limits : Limits
    """

    def __init__(self, model: Predictor, name: str, limits: Limits) -> None:
        self.limits = limits
        classes = classes_of(model)
        check_classes(classes)
        with beginning_long_run():
            self.shapes = shapes_of(model)
        self.about = {
            "status": "ok",
            "model": name,
            "kind": getattr(model, "kind", type(model).__name__),
            "classes": classes,
            "takes": [_SHAPES[shape] for shape in sorted(self.shapes)],
            "versions": _versions(),
        }
        predict = partial(answers, model)
        self.batcher = Batcher(predict, max_batch=limits.max_batch, max_waiting=limits.max_waiting)
        self.html = files("nlptl.serving").joinpath("page.html").read_text(encoding="utf-8")
        self.policy = _policy(self.html)

    async def predict(self, question: Question) -> JSONResponse:
        """Return one answer per text, in the order of the texts."""
        rows = self._rows(question)
        seconds = self.limits.answer_seconds
        try:
            predictions = await asyncio.wait_for(self.batcher.ask(rows.texts), seconds)
        except BusyError as problem:
            raise HTTPException(503, str(problem), {"Retry-After": "1"}) from problem
        except asyncio.TimeoutError as problem:
            raise HTTPException(
                504, f"There was no answer within {seconds:g} seconds."
            ) from problem
        except InputError as problem:
            raise _unfit(str(problem)) from problem
        except Exception as problem:
            log_failure(problem)
            raise HTTPException(500, "The model failed on these texts.") from problem
        return JSONResponse({"predictions": predictions})

    async def health(self) -> dict[str, Any]:
        """Return what is served, and the number of waiting texts."""
        return {**self.about, "waiting": self.batcher.waiting}

    async def page(self) -> HTMLResponse:
        """Return the page with the form."""
        headers = {"Content-Security-Policy": self.policy, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(self.html, headers=headers)

    def _rows(self, question: Question) -> Rows:
        """Check the texts before they join the queue, so that errors are reported at once."""
        if (question.text is None) == ("texts" not in question.model_fields_set):
            received = "neither" if question.text is None else "both"
            raise _unfit(f'Expected either "text" or "texts", got {received}. Send exactly one.')
        texts = question.texts if question.text is None else [question.text]
        if len(texts) > self.limits.max_texts:
            raise _unfit(
                f"A request may have at most {self.limits.max_texts} texts, got {len(texts)}. "
                "Send several requests."
            )
        for i, text in enumerate(texts):
            length = len(text) if isinstance(text, str) else max(map(len, text))
            limit = self.limits.max_characters
            if length > limit:
                raise _unfit(f"texts[{i}] may have at most {limit:,} characters, got {length:,}.")
        try:
            rows = as_rows(texts)
        except InputError as problem:
            raise _unfit(str(problem)) from problem
        if rows.are_pairs not in self.shapes:
            expected, received = _SHAPES[not rows.are_pairs], _SHAPES[rows.are_pairs]
            raise _unfit(f"This model takes {expected}, got {received}.")
        return rows


def _unfit(reason: str) -> HTTPException:
    line = " ".join(reason.split())
    return HTTPException(422, line if len(line) <= _MAX_MESSAGE else line[:_MAX_MESSAGE] + " ...")


async def _malformed(_: Request, problem: Any) -> JSONResponse:
    """Report in one line why a body cannot be read."""
    first = problem.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse({"detail": "The body is not JSON."}, 400)
    return JSONResponse({"detail": _reason(first["loc"][1:], str(first["msg"]))}, 422)


def _reason(location: Sequence[object], message: str) -> str:
    if not location:
        return 'Expected an object such as {"texts": ["A text."]}.'
    if location[0] == "texts" and len(location) > 1:
        return f"texts[{location[1]}]: Expected a string, or a list of two strings."
    return f"{str(location[0])[:100]!r}: {message}"


async def _unknown(_: Request, __: Exception) -> JSONResponse:
    """Report which paths there are."""
    return JSONResponse({"detail": _PATHS}, 404)


async def _failed(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "The server failed to answer this request."}, 500)


def _policy(html: str) -> str:
    """Return a security policy that allows only the script and the style of the page."""
    hashes = {
        tag: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        for tag, content in re.findall(r"<(script|style)>(.*?)</\1>", html, flags=re.S)
    }
    allowed = " ".join(f"{tag}-src 'sha256-{digest}';" for tag, digest in hashes.items())
    return (
        f"default-src 'none'; connect-src 'self'; img-src data:; {allowed} frame-ancestors 'none'"
    )


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in _REPORTED_PACKAGES},
    }
