"""Writing a fitted classifier for those who do not have nlptl: transformers and peft read it."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.suggestions import suggest
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.loaded import LoadedEncoder, classifier_name
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.contextual.weight_writing import write_model
from nlptl.fitting.finetuning import linear_map
from nlptl.fitting.fitted import FittedModel
from nlptl.heads.linear import OrdinalHead
from nlptl.heads.solver_fit import OneVsRest
from nlptl.saving.onnx.onnx_writing import OnnxExport, write_onnx
from nlptl.saving.saved_model import SavedClassifier
from nlptl.storage.atomic import new_folder
from nlptl.storage.tensors import save_arrays
from nlptl.training.networks.feature_network import FeatureNetwork

FORMATS = ("transformers", "peft", "onnx", "sentence-transformers")
_HEAD = "nlptl_head"
_MODULE = "sentence_transformers.models."
_MODES = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
_CLOSE = 1e-3


def export_classifier(
    classifier: SavedClassifier,
    folder: Path,
    *,
    format: str,  # noqa: A002
    graph: OnnxExport | None = None,
) -> Path:
    """Write a fitted classifier in the format of another library, and check what was written.

    Parameters
    ----------
    classifier : TextClassifier
    folder : Path
        A new or empty folder.
    format : {"transformers", "peft", "onnx", "sentence-transformers"}
        As in ``TextClassifier.export``.
    graph : OnnxExport, optional
        How the graph is written where the format is ``"onnx"``; for others it has to be as it is
        by itself.

    Raises
    ------
    ConfigError
        If the format is not known, or could not hold this model.
    StorageError
        If the folder is taken, or what was written reads differently.
    """
    if format not in FORMATS:
        raise ConfigError(f"format={format!r} is not known. {suggest(str(format), FORMATS)}")
    if format != "onnx" and graph not in (None, OnnxExport()):
        raise ConfigError(
            f"precision, probe and tolerance are for format='onnx', got format={format!r}."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{str(folder)!r} exists already. Choose a new folder.")
    encoder = _transformer(classifier, format)
    with new_folder(folder) as draft:
        if format == "onnx":
            head = _head_on_groups(classifier.fitted_, encoder)
            write_onnx(classifier, _loaded(encoder), head, draft, graph or OnnxExport())
            return folder
        parts = _parts(classifier, encoder)
        written = {
            "transformers": parts.write_transformers,
            "peft": parts.write_peft,
            "sentence-transformers": parts.write_sentences,
        }
        parts.encoder.folder.tokenizer.save_pretrained(draft)
        written[format](draft)
    return folder


def _transformer(classifier: SavedClassifier, format: str) -> TransformerEncoder:  # noqa: A002
    """Give the encoder of a model that reads texts as other libraries do."""
    fitted = classifier.fitted_
    encoder = fitted.features.encoder
    if not isinstance(encoder, TransformerEncoder):
        raise ConfigError(f"format={format!r} holds a transformer, got {type(encoder).__name__}.")
    if fitted.probe.are_pairs and not fitted.features.joint:
        raise ConfigError(
            "Other libraries read the two texts of a pair as one, and this model reads them one "
            "by one. Fit it with pair_encoding='joint'."
        )
    return encoder


def _parts(classifier: SavedClassifier, encoder: TransformerEncoder) -> _Parts:
    fitted = classifier.fitted_
    return _Parts(
        encoder,
        _loaded(encoder),
        _on_last_layer(fitted.scorer, fitted.features.weights),
        [str(label) for label in classifier.classes_.tolist()],
        fitted.scorer.decision.thresholds is not None,
        fitted.probe.are_pairs,
    )


@dataclass(frozen=True)
class _Parts:
    """What an exported model is made of.

    Attributes
    ----------
    encoder : TransformerEncoder
    loaded : LoadedEncoder
        Its weights as they were tuned.
    head : tuple of (ndarray, ndarray)
        Weights (n_labels, n_features) and offset (n_labels,), calibration included.
    labels : list of str
    several : bool
        Whether a text may have several labels.
    pairs : bool
        Whether it reads pairs of texts.
    """

    encoder: TransformerEncoder
    loaded: LoadedEncoder
    head: tuple[FloatArray, FloatArray]
    labels: list[str]
    several: bool
    pairs: bool

    @property
    def _base(self) -> str:
        """Where peft finds what the adapter stands beside: on the Hub, else in a folder here."""
        folder = self.encoder.folder
        return folder.origin or str(folder.name)

    def write_transformers(self, folder: Path) -> None:
        """Write the model that transformers itself would have trained.

        Raises
        ------
        ConfigError
            If transformers has no classifier that pools as this model does.
        """
        if not self._is_stock:
            raise ConfigError(
                "Classifiers of transformers pool in their own way, and this model was trained "
                f"with tokens={self.encoder.chosen_pooling.tokens!r}. Train with "
                "TransformerEncoder(name, pooling=Pooling(tokens='stock', normalize=False))."
            )
        model = self._classifier()
        model.save_pretrained(folder)
        with sheltered():
            again = (
                type(model)
                .from_pretrained(folder, local_files_only=True, trust_remote_code=False)
                .eval()
            )
        self._compare(model.eval(), again)

    def write_peft(self, folder: Path) -> None:
        """Write the adapter with its head, as ``peft`` reads them.

        Raises
        ------
        ConfigError
            If the model has no adapter apart from its weights.
        """
        adapter = self.loaded.adapter
        if adapter is None:
            raise ConfigError(
                "There is no adapter to write: format='peft' needs transfer=LoRA(merge=False)."
            )
        if self.loaded.base is not None:
            raise ConfigError(
                "The adapter stands beside an encoder that was tuned before, which peft could not "
                "find. Write format='transformers', or save the model."
            )
        told = {**adapter.config, "base_model_name_or_path": self._base}
        arrays = dict(adapter.arrays)
        if self._is_stock:
            model = self._classifier()
            model.config.save_pretrained(folder)
            last = classifier_name(model)
            saved = {last.split(".", 1)[0], *(told.get("modules_to_save") or ())}
            told |= {"task_type": "SEQ_CLS", "modules_to_save": sorted(saved)}
            weights, offset = self.head
            arrays[f"base_model.model.{last}.weight"] = weights.astype(np.float32)
            arrays[f"base_model.model.{last}.bias"] = offset.astype(np.float32)
        else:
            self._write_head(folder)
        Adapter(told, arrays).save(folder)

    def write_sentences(self, folder: Path) -> None:
        """Write the encoder as ``sentence-transformers`` reads it, with the head beside it.

        Raises
        ------
        ConfigError
            If that library has no place for the way in which texts become vectors.
        """
        own, pooling = self.encoder.folder, self.encoder.chosen_pooling
        plain = (
            pooling.layers == (-1,) and pooling.dimension is None and not own.layers_after_pooling
        )
        if self._is_stock or not plain or self.pairs:
            raise ConfigError(
                f"sentence-transformers makes no vectors as {own.name!r} with {pooling!r} does"
                f"{' of pairs' if self.pairs else ''}. Train with Pooling(), or save the model."
            )
        model = copy.deepcopy(self.loaded.model).float().cpu()
        write_model(model, own, folder)
        stated = {"max_seq_length": self.encoder.window, "do_lower_case": own.lowers_by_hand}
        mode = {f"pooling_mode_{_MODES[pooling.tokens]}": True}
        size = {"word_embedding_dimension": own.hidden_size}
        modules = ["", "1_Pooling", *(["2_Normalize"] if pooling.normalize else [])]
        files = {
            "modules.json": [
                {"idx": n, "name": str(n), "path": path, "type": _MODULE + _kind(path)}
                for n, path in enumerate(modules)
            ],
            "sentence_bert_config.json": stated,
            "config_sentence_transformers.json": _prompted(own.prompt),
            "1_Pooling/config.json": size | mode,
        }
        for name, told in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(told, indent=1), encoding="utf-8")
        self._write_head(folder)
        exact = replace(self.loaded, model=model, dtype="float32", device="cpu")
        sentences = ["One text.", "And another one."]
        again = TransformerEncoder(folder, cache=None, dtype="float32", device="cpu")
        expected = self.encoder.with_weights(exact).transform(sentences)
        apart = float(np.abs(again.transform(sentences) - expected).max())
        if not apart <= _CLOSE:
            raise StorageError(f"The exported encoder reads back differently, by {apart:.2g}.")

    @property
    def _is_stock(self) -> bool:
        return self.encoder.chosen_pooling.tokens == "stock"

    def _classifier(self) -> Any:
        """Put the head where transformers has its own."""
        import torch

        weights, offset = self.head
        model = copy.deepcopy(self.loaded.model).float().cpu()
        with sheltered():
            linear = torch.nn.Linear(weights.shape[1], weights.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights))
            linear.bias.copy_(torch.from_numpy(offset))
        model.set_submodule(classifier_name(model), linear)
        model.num_labels = model.config.num_labels = len(self.labels)
        model.config.id2label = dict(enumerate(self.labels))
        model.config.label2id = {label: code for code, label in enumerate(self.labels)}
        kind = "multi_label_classification" if self.several else "single_label_classification"
        model.config.problem_type = kind
        return model

    def _write_head(self, folder: Path) -> None:
        """Write a head that no stock model has a place for, beside the adapter."""
        weights, offset = self.head
        save_arrays(folder / f"{_HEAD}.safetensors", {"weight": weights, "bias": offset})
        pooling = self.encoder.chosen_pooling
        told = {
            "labels": self.labels,
            "several": self.several,
            "pooling": pooling.get_params() | {"layers": list(pooling.layers)},
        }
        (folder / f"{_HEAD}.json").write_text(json.dumps(told, indent=1), encoding="utf-8")

    def _compare(self, model: Any, again: Any) -> None:
        import torch

        tokens = self.encoder.folder.tokenizer(["One text.", "And another one."], padding=True)
        given = {n: torch.tensor(tokens[n]) for n in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            apart = float((model(**given).logits - again(**given).logits).abs().max())
        if not apart <= _CLOSE:
            raise StorageError(f"The exported model reads back differently, by {apart:.2g}.")


def _kind(module: str) -> str:
    """Give the class of a module of sentence-transformers from the name of its folder."""
    return module.partition("_")[2] or "Transformer"


def _prompted(prompt: str) -> dict[str, Any]:
    """Tell what goes before each text, where something does."""
    return {"prompts": {"text": prompt}, "default_prompt_name": "text"} if prompt else {}


def _loaded(encoder: TransformerEncoder) -> LoadedEncoder:
    """Give the weights in full precision, with the adapter that is stored beside them."""
    if encoder.weights is not None:
        return encoder.weights
    stock = encoder.chosen_pooling.tokens == "stock"
    folder = encoder.folder
    found = load_encoder(folder, dtype="float32", device=encoder.device, stock=stock)
    adapter = None if folder.adapter is None else Adapter.load(folder.adapter)
    return LoadedEncoder(folder, found.model, found.dtype, found.device, adapter=adapter)


def _on_last_layer(scorer: Any, layers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the head as one linear map from the last layer to calibrated logits.

    Raises
    ------
    ConfigError
        If the head is no linear map, or of several layers.
    """
    if np.count_nonzero(layers) > 1:
        raise ConfigError(
            "A head that sees several layers has no place in other libraries. Write "
            "format='onnx', or fit it with transfer=Frozen('top')."
        )
    weights, offset = _calibrated(scorer)
    return weights * layers[np.flatnonzero(layers)[0]], offset


def _head_on_groups(
    fitted: FittedModel, encoder: TransformerEncoder
) -> tuple[FloatArray, FloatArray]:
    """Give the head as one linear map from all that is pooled to calibrated logits."""
    weights, offset = _calibrated(fitted.scorer)
    scales = np.repeat(fitted.features.weights, [width for _, width in encoder.groups])
    whole = np.zeros((len(weights), len(scales)))
    whole[:, scales != 0] = weights * scales[scales != 0]
    if encoder.projection is not None:
        whole = whole @ encoder.projection.T
    return whole.astype(np.float32), offset.astype(np.float32)


def _calibrated(scorer: Any) -> tuple[FloatArray, FloatArray]:
    """Give the head as one linear map to calibrated logits.

    Raises
    ------
    ConfigError
        If the head is not linear.
    """
    fitted, decision = scorer.fitted, scorer.decision
    if isinstance(fitted, FeatureNetwork):
        arrays: dict[str, FloatArray] = fitted.arrays()
        if isinstance(scorer.head, OrdinalHead):
            arrays["weight"] = arrays.pop("ranks.weight") @ arrays.pop("direction.weight")
            arrays["bias"] = arrays.pop("ranks.bias")
        if set(arrays) != {"weight", "bias", "scale"}:
            raise ConfigError(f"{type(scorer.head).__name__} is not linear and cannot be exported.")
        weights, offset = arrays["weight"] * float(arrays["scale"][0]), arrays["bias"]
    elif isinstance(fitted, OneVsRest):
        weights, offset = linear_map(fitted)
        for place, head in enumerate(fitted.heads_):
            if isinstance(head, float):  # a label that no row had, or every one
                offset[place] = head
    elif hasattr(fitted, "coef_"):
        weights, offset = linear_map(fitted)
    else:
        raise ConfigError(f"{type(scorer.head).__name__} is not linear and cannot be exported.")
    moved = 0.0 if decision.offsets is None else decision.offsets
    return weights / decision.temperature, offset / decision.temperature + moved
