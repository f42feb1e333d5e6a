"""Answer for texts over HTTP with a saved model, and show a form to try it.

POST /predict takes {"texts": ["..."]} and gives {"predictions": [...]}, one for each text in
their order; GET /health says what is served. Requests that arrive while the model is busy are
answered together. SIGTERM or Ctrl+C ends it, once what was asked is answered.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from nlptl.base.paths import user_path
from nlptl.cli.console import console
from nlptl.estimators.loading import load_every
from nlptl.serving import Limits, check_installed, make_app

EXAMPLES = """examples:
  nlptl serve model/
  nlptl serve user/name --port 9000 --max-texts 32 --timeout 10
  nlptl serve model/ --host 0.0.0.0 --port 0
"""

_KNOWN = Limits()
_LOCAL = ("127.0.0.1", "::1", "localhost")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model, or its name on the Hub")
    parser.add_argument("--host", default="127.0.0.1", help="127.0.0.1: for this machine alone")
    parser.add_argument("--port", type=int, default=8000, help="0 is any free one")
    parser.add_argument(
        "--allow-host", nargs="+", metavar="NAME", help="further names to answer to, of a proxy"
    )
    for option, default, told in (
        ("--max-batch", _KNOWN.max_batch, "texts that the model reads in one go"),
        ("--max-texts", _KNOWN.max_texts, "texts of a request"),
        ("--max-characters", _KNOWN.max_characters, "of a text"),
        ("--max-bytes", _KNOWN.max_bytes, "of the body of a request"),
        ("--max-waiting", _KNOWN.max_waiting, "texts that wait, of all requests"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=told)
    for option, seconds, told in (
        ("--timeout", _KNOWN.answer_seconds, "seconds until an answer"),
        ("--read-timeout", _KNOWN.read_seconds, "seconds for a request to arrive"),
    ):
        parser.add_argument(option, type=float, default=seconds, metavar="S", help=told)


def _hosts(given: Namespace) -> set[str] | None:
    """Give the names to answer to; any, where other machines may ask."""
    if given.host not in _LOCAL and not given.allow_host:
        return None
    return {given.host, *_LOCAL, *(name.lower() for name in given.allow_host or ())}


def run(given: Namespace) -> int:
    """Load, listen, answer."""
    limits = Limits(
        max_batch=given.max_batch,
        max_texts=given.max_texts,
        max_characters=given.max_characters,
        max_bytes=given.max_bytes,
        max_waiting=given.max_waiting,
        read_seconds=given.read_timeout,
        answer_seconds=given.timeout,
    )
    check_installed()
    from nlptl.serving.server import listen, run_server, url_of

    with listen(given.host, given.port) as listening:  # a taken port is told before the loading
        name = user_path(given.model).resolve().name
        model = load_every(given.model)
        app = make_app(model, name=name, limits=limits, hosts=_hosts(given))
        told = f"Serving {given.model} on {url_of(listening)} (Ctrl+C ends it)"
        console().print(told, soft_wrap=True)
        run_server(app, listening, limits)
    return 0
