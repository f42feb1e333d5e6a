"""Serve a saved model over HTTP, with a form to try it.

POST /predict takes {"texts": ["..."]} and returns {"predictions": [...]}, one per text in their
order. GET /health reports what is served. Requests that arrive while the model is busy are
answered together. SIGTERM or Ctrl+C stops the server after it has answered all open requests.
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

_DEFAULTS = Limits()
_LOCAL = ("127.0.0.1", "::1", "localhost")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("model", help="folder of a saved model, or its name on the Hub")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address; %(default)s (default) is this machine only"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="port (default %(default)s); 0 takes any free port"
    )
    parser.add_argument(
        "--allow-host",
        nargs="+",
        metavar="NAME",
        help="additional host names to accept, for example of a proxy",
    )
    for option, default, explanation in (
        ("--max-batch", _DEFAULTS.max_batch, "maximum texts per pass of the model"),
        ("--max-texts", _DEFAULTS.max_texts, "maximum texts per request"),
        ("--max-characters", _DEFAULTS.max_characters, "maximum characters per text"),
        ("--max-bytes", _DEFAULTS.max_bytes, "maximum bytes per request body"),
        ("--max-waiting", _DEFAULTS.max_waiting, "maximum waiting texts, over all requests"),
    ):
        text = f"{explanation} (default %(default)s)"
        parser.add_argument(option, type=int, default=default, metavar="N", help=text)
    for option, seconds, explanation in (
        ("--timeout", _DEFAULTS.answer_seconds, "maximum seconds until an answer"),
        ("--read-timeout", _DEFAULTS.read_seconds, "maximum seconds for a request to arrive"),
    ):
        text = f"{explanation} (default %(default)g)"
        parser.add_argument(option, type=float, default=seconds, metavar="S", help=text)


def _hosts(arguments: Namespace) -> set[str] | None:
    """Return the host names to accept, or None for any name.

    Any name is accepted if other machines can connect and --allow-host is not set.
    """
    if arguments.host not in _LOCAL and not arguments.allow_host:
        return None
    return {arguments.host, *_LOCAL, *(name.lower() for name in arguments.allow_host or ())}


def run(arguments: Namespace) -> int:
    """Load the model and answer requests until a signal stops the server."""
    limits = Limits(
        max_batch=arguments.max_batch,
        max_texts=arguments.max_texts,
        max_characters=arguments.max_characters,
        max_bytes=arguments.max_bytes,
        max_waiting=arguments.max_waiting,
        read_seconds=arguments.read_timeout,
        answer_seconds=arguments.timeout,
    )
    check_installed()
    from nlptl.serving.server import listen, run_server, url_of

    # Listen first, so that a port in use is reported before the model is loaded.
    with listen(arguments.host, arguments.port) as listening:
        name = user_path(arguments.model).resolve().name
        model = load_every(arguments.model)
        app = make_app(model, name=name, limits=limits, hosts=_hosts(arguments))
        message = f"Serving {arguments.model} on {url_of(listening)} (Ctrl+C stops it)"
        console().print(message, soft_wrap=True)
        run_server(app, listening, limits)
    return 0
