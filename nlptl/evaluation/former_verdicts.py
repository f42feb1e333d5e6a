"""Read verdicts as earlier releases wrote them: three forms, for splits, tasks and languages."""

from __future__ import annotations

from collections.abc import Mapping

from nlptl.base.described import entry
from nlptl.base.inputs import JsonObject


def in_present_form(described: object) -> JsonObject:
    """Return a verdict from JSON with the entries that ``Verdict.to_json`` writes today.

    Raises
    ------
    TypeError, KeyError
        If an entry of an earlier form is missing or has another type.
    """
    if not isinstance(described, dict):
        raise TypeError(f"expected a verdict, got {type(described).__name__}")
    if "against" in described:
        return _of_splits(described)
    if "task" in described:
        return _of_task(described)
    if "language" in described:
        return _of_language(described)
    return described


def _of_splits(described: JsonObject) -> JsonObject:
    name, against = entry(described, "name", str), entry(described, "against", str)
    gain = entry(described, "gain", tuple[float, float, float])
    prior = entry(described, "experience", tuple[float, float] | None)
    return {
        "methods": [name, against],
        "scores": described["scores"],
        "gains": {name: dict(zip(("value", "low", "high"), gain, strict=True))},
        "kept": None,  # follows from the gain and the prior
        "metric": "score",
        "n_rows": 0,
        "prior": None if prior is None else dict(zip(("gain", "spread"), prior, strict=True)),
    }


def _of_task(described: JsonObject) -> JsonObject:
    figures: Mapping[str, float] = entry(described, "figures", dict[str, float])
    kept = entry(described, "kept", str)
    return {
        "methods": list(figures) or [kept],
        "scores": [list(figures.values())] if figures else [],
        "gains": described["gains"],
        "kept": kept,
        "metric": described["metric"],
        "n_rows": described["rows"],
        "prior": None,
    }


def _of_language(described: JsonObject) -> JsonObject:
    names = ("joint", "alone")
    compared = described["gain"] is not None
    kept = entry(described, "kept", str)
    return {
        "methods": list(names) if compared else [kept],
        "scores": [[described[name] for name in names]] if compared else [],
        "gains": {"joint": described["gain"]} if compared else {},
        "kept": kept,
        "metric": "accuracy",
        "n_rows": described["rows"],
        "prior": None,
    }
