"""How much a service takes on, and how long it waits."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nlptl.base.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service takes from a client, and from all of them together.

    Attributes
    ----------
    max_batch : int
        Texts that the model reads in one go; a larger request goes alone.
    max_texts : int
        Texts of a request.
    max_characters : int
        Of a text, and of each text of a pair.
    max_bytes : int
        Of the body of a request.
    max_waiting : int
        Texts that wait for the model, of all requests.
    max_connections : int
        Open at a time.
    read_seconds : float
        For the head of a request to arrive, and then for its body.
    answer_seconds : float
        From there to the answer.

    Raises
    ------
    ConfigError
        If one is not above 0, or a request of the allowed size could never wait.
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
        broken = [
            f"{name} must be above 0, got {value!r}"
            for name, value in asdict(self).items()
            if not value > 0
        ]
        if self.max_waiting < self.max_texts:
            broken.append(
                f"max_waiting must be at least max_texts={self.max_texts}, got {self.max_waiting}"
            )
        if broken:
            raise ConfigError("; ".join(broken) + ".")
