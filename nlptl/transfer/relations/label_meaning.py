"""Class names and descriptions as information about the texts of each class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nlptl.base.errors import ConfigError
from nlptl.base.transfer import Transfer
from nlptl.data.labels import key_of

TEMPLATES = ("{}", "This is about {}.", "a text about {}.")
_EXAMPLE = "Pass for example names={'LOC': 'a place'}."


@dataclass(frozen=True)
class LabelMeaning(Transfer):
    """Use class names, or short descriptions, as extra training texts of their classes.

    Without labelled texts, a text gets the class whose name has the nearest vector [1]_. With
    labelled texts, the names become extra training rows of the head. In addition, the similarity
    of a text to each name is added to the class scores. The weight of these similarities falls as
    the labelled rows predict better.

    Use it alone, with a frozen encoder, or together with another transfer:
    ``[Contrastive(), LabelMeaning()]``.

    Parameters
    ----------
    names : mapping or sequence of (label, text), optional
        Descriptions of the labels: ``{"HUM": "a human being", "LOC": ["a place", "a location"]}``.
        A label without a description is read as it is, with ``_`` replaced by a space. Labels that
        occur only here become classes without labelled texts.
    templates : sequence of str
        Sentences with ``{}`` in place of the name. Their vectors are averaged.
    weight : float or "cv"
        Weight of the similarities to the names, relative to the scores of the fitted head; 0 or
        more. ``"cv"`` chooses it on held-out rows. If no rows can be held out, it is 5. With fewer
        than eight rows it is 10, and the scores of the fitted head count half.
    entailment : str or None
        Hub name or folder of a cross-encoder trained on natural language inference. It adds one
        feature per class: how strongly a text entails "This text is about ...". It reads every
        text once per class. The encoder must stay frozen.

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
    supports: ClassVar[frozenset[str]] = frozenset()
    paper: ClassVar[str] = "Chang et al. 2008, AAAI"

    def __post_init__(self) -> None:
        pairs = self.names.items() if isinstance(self.names, Mapping) else self.names
        # Tuples of plain values, so that the transfer can be compared, copied and stored.
        object.__setattr__(self, "names", tuple(_entry(pair) for pair in pairs or ()))
        if isinstance(self.templates, str) or not all("{}" in str(t) for t in self.templates):
            raise ConfigError(
                f"templates must be sentences with {{}} for the name, got {self.templates!r}. "
                "Pass for example ['This is about {}.']."
            )
        object.__setattr__(self, "templates", tuple(self.templates))
        if self.weight != "cv" and (isinstance(self.weight, str) or self.weight < 0):
            raise ConfigError(f"weight must be 0 or more, or 'cv', got {self.weight!r}.")

    @property
    def labels(self) -> tuple[Any, ...]:
        """Labels that have a description."""
        return tuple(label for label, _ in self.names)

    def texts(self, labels: Iterable[object]) -> list[list[str]]:
        """Return the texts to encode for each label: every description in every template.

        Raises
        ------
        ConfigError
            If a label has no description and is not a text with letters.
        """
        descriptions = dict(self.names)
        return [
            [
                template.format(name)
                for name in descriptions.get(label) or own_name(label)
                for template in self.templates
            ]
            for label in labels
        ]


def _entry(entry: Any) -> tuple[Any, tuple[str, ...]]:
    """Return a label with its descriptions.

    Raises
    ------
    ConfigError
        If the entry is not a label with at least one text.
    """
    if isinstance(entry, str) or len(entry) != 2:
        raise ConfigError(f"names must give a text for each label, got {entry!r}. {_EXAMPLE}")
    label, texts = entry
    is_single = isinstance(texts, str) or not isinstance(texts, Iterable)
    descriptions = (texts,) if is_single else tuple(texts)
    if not descriptions or not all(isinstance(text, str) and text.strip() for text in descriptions):
        raise ConfigError(
            f"names must give a text for each label, got {texts!r} for {label!r}. {_EXAMPLE}"
        )
    return tuple(label) if isinstance(label, list) else key_of(label), descriptions


def own_name(label: object) -> tuple[str, ...]:
    """Return the text to read for a label that has no description.

    Raises
    ------
    ConfigError
        If the label is not a text, or has no letters.
    """
    name = str(label).replace("_", " ").strip() if isinstance(label, str) else ""
    if not any(letter.isalpha() for letter in name):
        raise ConfigError(
            f"LabelMeaning() needs a text with letters for each label, got {label!r}. Describe it: "
            f"LabelMeaning(names={{{label!r}: '...'}})."
        )
    return (name,)
