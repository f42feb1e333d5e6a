"""What the names of classes say about the texts that belong to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer
from nlptl.data.labels import key_of

TEMPLATES = ("{}", "This is about {}.", "a text about {}.")


@dataclass(frozen=True)
class LabelMeaning(Transfer):
    """The names of classes, or short descriptions, are read as texts of these classes.

    Without any labelled text, a text belongs to the class whose name is nearest [1]_; with some,
    the names are further rows for the head, and what they say by themselves is mixed in with a
    weight that falls as labelled rows know better. It stands alone (the encoder stays as it is)
    or beside another transfer: ``[Contrastive(), LabelMeaning()]``.

    Parameters
    ----------
    names : mapping or sequence of (label, text), optional
        What labels mean: ``{"HUM": "a human being", "LOC": ["a place", "a location"]}``. Labels
        left out are read as they are, with ``_`` for a space. Classes without any labelled text
        are taken from here.
    templates : sequence of str
        Sentences with ``{}`` where the name goes; their vectors are averaged.
    weight : float or "cv"
        What the names count beside the labelled rows, 0 or more; ``"cv"`` asks rows that were
        held out. Where none can be, it takes 5, and with fewer than eight rows 10 against half
        of what these say.
    entailment : str or None
        Hub name or folder of a cross-encoder trained on natural language inference: how strongly
        a text entails "This text is about ..." then stands beside its vector. It reads every text
        once for each class; the encoder has to stay frozen.

    References
    ----------
    .. [1] Chang et al., "Importance of Semantic Representation: Dataless Classification",
       AAAI 2008.
    """

    names: Any = ()
    templates: Any = TEMPLATES
    weight: Any = "cv"
    entailment: str | None = None

    adds_rows: ClassVar[bool] = True
    carries: ClassVar[str] = "relations"
    setting: ClassVar[str] = "inductive"
    needs: ClassVar[frozenset[str]] = frozenset()
    paper: ClassVar[str] = "Chang et al. 2008, AAAI"

    def __post_init__(self) -> None:
        given = self.names.items() if isinstance(self.names, Mapping) else self.names
        # Plain and fixed, so that the choice can be compared, copied and stored.
        object.__setattr__(self, "names", tuple(_entry(entry) for entry in given or ()))
        if isinstance(self.templates, str) or not all("{}" in str(t) for t in self.templates):
            raise ConfigError(
                f"templates must be sentences with {{}} for the name, got {self.templates!r}."
            )
        object.__setattr__(self, "templates", tuple(self.templates))
        if self.weight != "cv" and (isinstance(self.weight, str) or self.weight < 0):
            raise ConfigError(f"weight must be 0 or more, or 'cv', got {self.weight!r}.")

    @property
    def labels(self) -> tuple[Any, ...]:
        """The labels that were described."""
        return tuple(label for label, _ in self.names)

    def texts(self, labels: Iterable[Any]) -> list[list[str]]:
        """Give what is read for each label: every description in every template.

        Raises
        ------
        ConfigError
            If a label has no name that could be read.
        """
        told, kept = dict(self.names), self.templates
        return [
            [one.format(name) for name in told.get(label) or own_name(label) for one in kept]
            for label in labels
        ]


def _entry(entry: Any) -> tuple[Any, tuple[str, ...]]:
    """Read a label with its text, or several texts."""
    if isinstance(entry, str) or len(entry) != 2:
        raise ConfigError(f"names must give a text for each label, got {entry!r}.")
    label, texts = entry
    is_one = isinstance(texts, str) or not isinstance(texts, Iterable)
    several = (texts,) if is_one else tuple(texts)
    if not several or not all(isinstance(text, str) and text.strip() for text in several):
        raise ConfigError(f"names must give a text for each label, got {texts!r} for {label!r}.")
    return tuple(label) if isinstance(label, list) else key_of(label), several


def own_name(label: Any) -> tuple[str, ...]:
    """Read a label as it is.

    Raises
    ------
    ConfigError
        If it says nothing: a number, or a text without letters.
    """
    name = str(label).replace("_", " ").strip() if isinstance(label, str) else ""
    if not any(letter.isalpha() for letter in name):
        raise ConfigError(
            f"Label {label!r} says nothing of its texts. Describe it: "
            f"LabelMeaning(names={{{label!r}: '...'}})."
        )
    return (name,)
