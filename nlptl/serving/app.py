"""The application: what is asked for, what is answered, what is refused."""

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
from nlptl.encoders.contextual.encoder_folder import Held
from nlptl.serving.answers import answers, check_classes, classes_of, shapes_of
from nlptl.serving.batching import Batcher, BusyError
from nlptl.serving.guard import Guard, log_failure
from nlptl.serving.limits import Limits

_SHAPES = {False: "texts", True: "pairs of texts"}
_MAX_MESSAGE = 300
"""Characters of a reason; some of ours hold the text that they are about."""

_WATCHED = ("nlptl", "torch", "transformers", "scikit-learn")


class Question(BaseModel):
    """One text, or several: each is a string, or a list of two for models of pairs."""

    text: str | tuple[str, str] | None = None
    texts: Annotated[list[str | tuple[str, str]], FailFast()] = Field(default_factory=list)
    """The first that is wrong ends the reading: errors of a million items take minutes."""

    @model_validator(mode="before")
    @classmethod
    def _knows_no_more(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.keys() <= {"text", "texts"}:
            raise ValueError("unknown entries")
        return given


class Predictions(BaseModel):
    """An answer for each text, in the order of the texts."""

    predictions: list[dict[str, Any]]


class Refusal(BaseModel):
    """Why there is no answer, in one line."""

    detail: str


def app_of(model: Any, *, name: str, limits: Limits, hosts: Collection[str] | None = None) -> Guard:
    """Make the application for a model, with its guard before it.

    Raises
    ------
    ConfigError
        If the model answers neither for single texts nor for pairs of them, or JSON cannot hold
        its classes.
    """
    service = Service(model, name, limits)
    # Whatever the environment says, no text leaves the process by way of telemetry.
    quiet: Any = dict.fromkeys(("auto_configure", "tracing", "metrics", "logs"), False)
    about: dict[str, Any] = {"title": f"nlptl: {name}", "version": version("nlptl")}
    app = FastAPI(docs_url=None, redoc_url=None, telemetry=quiet, **about)
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
    app.add_exception_handler(Exception, _failed)
    return Guard(app, limits, hosts)


class Service:
    """A model and what is known of it.

    Parameters
    ----------
    model : TextClassifier, TextRegressor, MultiTaskModel or alike
    name : str
    limits : Limits
    """

    def __init__(self, model: Any, name: str, limits: Limits) -> None:
        self.limits = limits
        held: Held = {}
        classes = classes_of(model)
        check_classes(classes)
        self.shapes = shapes_of(model, held=held)
        self.about = {
            "status": "ok",
            "model": name,
            "kind": getattr(model, "kind", type(model).__name__),
            "classes": classes,
            "takes": [_SHAPES[shape] for shape in sorted(self.shapes)],
            "versions": _versions(),
        }
        ask = partial(answers, model, held=held)
        self.batcher = Batcher(ask, max_batch=limits.max_batch, max_waiting=limits.max_waiting)
        self.html = files("nlptl.serving").joinpath("page.html").read_text(encoding="utf-8")
        self.policy = _policy(self.html)

    async def predict(self, question: Question) -> JSONResponse:
        """Answer for each text, in the order of the texts."""
        rows = self._rows(question)
        seconds = self.limits.answer_seconds
        try:
            found = await asyncio.wait_for(self.batcher.ask(rows.texts), seconds)
        except BusyError as problem:
            raise HTTPException(503, str(problem), {"Retry-After": "1"}) from problem
        except asyncio.TimeoutError as problem:
            raise HTTPException(504, f"There was no answer in {seconds:g} seconds.") from problem
        except InputError as problem:
            raise _unfit(str(problem)) from problem
        except Exception as problem:
            log_failure(problem)
            raise HTTPException(500, "The model failed on these texts.") from problem
        return JSONResponse({"predictions": found})

    async def health(self) -> dict[str, Any]:
        """Say what is served, and how many texts wait."""
        return {**self.about, "waiting": self.batcher.waiting}

    async def page(self) -> HTMLResponse:
        """Give the form."""
        headers = {"Content-Security-Policy": self.policy, "X-Content-Type-Options": "nosniff"}
        return HTMLResponse(self.html, headers=headers)

    def _rows(self, question: Question) -> Rows:
        """Check texts before they wait: what is wrong with them is told at once."""
        if (question.text is None) == ("texts" not in question.model_fields_set):
            raise _unfit('Give either "text" or "texts", one of the two.')
        texts = question.texts if question.text is None else [question.text]
        if len(texts) > self.limits.max_texts:
            raise _unfit(f"Got {len(texts)} texts; at most {self.limits.max_texts} may come.")
        for place, text in enumerate(texts):
            longest = len(text) if isinstance(text, str) else max(map(len, text))
            if longest > self.limits.max_characters:
                most = self.limits.max_characters
                raise _unfit(f"texts[{place}] has {longest:,} characters; at most {most:,} may be.")
        try:
            rows = as_rows(texts)
        except InputError as problem:
            raise _unfit(str(problem)) from problem
        if rows.are_pairs not in self.shapes:
            known, given = _SHAPES[not rows.are_pairs], _SHAPES[rows.are_pairs]
            raise _unfit(f"This model takes {known}, got {given}.")
        return rows


def _unfit(reason: str) -> HTTPException:
    line = " ".join(reason.split())
    return HTTPException(422, line if len(line) <= _MAX_MESSAGE else line[:_MAX_MESSAGE] + " ...")


async def _malformed(_: Request, problem: Any) -> JSONResponse:
    """Say in one line why a body could not be read."""
    first = problem.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse({"detail": "The body is not JSON."}, 400)
    return JSONResponse({"detail": _reason(first["loc"][1:], str(first["msg"]))}, 422)


def _reason(place: Sequence[Any], said: str) -> str:
    if not place:
        return 'Expected an object such as {"texts": ["A text."]}.'
    if place[0] == "texts" and len(place) > 1:
        said = "Expected a string, or a list of two strings."
        return f"texts[{place[1]}]: {said}"
    return f"{str(place[0])[:100]!r}: {said}"


async def _failed(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "Something failed here."}, 500)


def _policy(html: str) -> str:
    """Allow the page its own script and style, by their hashes, and nothing else."""
    hashes = {
        tag: base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()
        for tag, found in re.findall(r"<(script|style)>(.*?)</\1>", html, flags=re.S)
    }
    allowed = " ".join(f"{tag}-src 'sha256-{one}';" for tag, one in hashes.items())
    return (
        f"default-src 'none'; connect-src 'self'; img-src data:; {allowed} frame-ancestors 'none'"
    )


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _WATCHED}}
