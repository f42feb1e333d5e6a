"""Limit the size of requests, the queue and the waiting times of a service."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nlptl.base.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a service: what it accepts per client and in total, and how long it waits.

    Attributes
    ----------
    max_batch : int
        Maximum number of texts per pass of the model. A larger request gets a pass of its own.
    max_texts : int
        Maximum number of texts per request.
    max_characters : int
        Maximum length of a text, and of each text of a pair, in characters.
    max_bytes : int
        Maximum size of the body of a request, in bytes.
    max_waiting : int
        Maximum number of texts that wait for the model, over all requests.
    max_connections : int
        Maximum number of open connections.
    read_seconds : float
        Time limit for the headers of a request to arrive, and again for its body, in seconds.
    answer_seconds : float
        Time limit for the answer once the request has arrived, in seconds.

    Raises
    ------
    ConfigError
        If a limit is not above 0, or if ``max_waiting`` is below ``max_texts``.
    """

    max_batch: int = 64
    max_texts: int = 256
    max_characters: int = 20_000
    max_bytes: int = 2_000_000
    max_waiting: int = 1024
    max_connections: int = 512
    read_seconds: float = 10.0
    answer_seconds: float = 30.0

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be above 0, got {value!r}"
            for name, value in asdict(self).items()
            if not value > 0
        ]
        if self.max_waiting < self.max_texts:
            problems.append(
                f"max_waiting must be at least max_texts={self.max_texts}, got {self.max_waiting}"
            )
        if problems:
            raise ConfigError("; ".join(problems) + ".")
