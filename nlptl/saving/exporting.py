"""Export a fitted classifier to the formats of other libraries, which need no nlptl."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlptl.base.arrays import FloatArray
from nlptl.base.chance import sheltered
from nlptl.base.errors import ConfigError, StorageError
from nlptl.base.suggestions import suggest
from nlptl.encoders.contextual.adapters import Adapter
from nlptl.encoders.contextual.encoder_shelf import load_encoder
from nlptl.encoders.contextual.loaded import LoadedEncoder, classifier_name
from nlptl.encoders.contextual.text_reader import TextReader
from nlptl.encoders.contextual.transformer_encoder import TransformerEncoder
from nlptl.encoders.contextual.weight_writing import write_model
from nlptl.encoders.tunable import is_tunable
from nlptl.fitting.fitted import FittedHead, FittedModel
from nlptl.fitting.warm_head import linear_map
from nlptl.heads.linear import OrdinalHead
from nlptl.heads.solver_fit import OneVsRest
from nlptl.saving.onnx.onnx_writing import OnnxExport, write_onnx
from nlptl.saving.saved_model import SavedClassifier
from nlptl.storage.atomic import new_folder
from nlptl.storage.tensors import save_arrays
from nlptl.training.networks.feature_network import FeatureNetwork

if TYPE_CHECKING:
    import torch

FORMATS = ("transformers", "peft", "onnx", "sentence-transformers")
_HEAD = "nlptl_head"
_MODULE = "sentence_transformers.models."
_MODES = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
_MAX_DIFFERENCE = 1e-3


def export_classifier(
    classifier: SavedClassifier,
    folder: Path,
    *,
    format: str,  # noqa: A002
    graph: OnnxExport | None = None,
) -> Path:
    """Write a fitted classifier in the format of another library, and check the written files.

    Parameters
    ----------
    classifier : TextClassifier
    folder : Path
        A new or empty folder.
    format : {"transformers", "peft", "onnx", "sentence-transformers"}
        As in ``TextClassifier.export``.
    graph : OnnxExport, optional
        Options of the format ``"onnx"``. For other formats only the default options are allowed.

    Raises
    ------
    ConfigError
        If the format is unknown or cannot represent this model.
    StorageError
        If the folder is not empty, or the exported model gives different outputs.
    """
    if format not in FORMATS:
        raise ConfigError(f"format={format!r} is not known. {suggest(str(format), FORMATS)}")
    if format != "onnx" and graph not in (None, OnnxExport()):
        raise ConfigError(
            f"precision, probe and tolerance are for format='onnx', got format={format!r}. "
            "Leave them out."
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
        writers = {
            "transformers": parts.write_transformers,
            "peft": parts.write_peft,
            "sentence-transformers": parts.write_sentences,
        }
        parts.encoder.folder.tokenizer.save_pretrained(draft)
        writers[format](draft)
    return folder


def _transformer(classifier: SavedClassifier, format: str) -> TransformerEncoder:  # noqa: A002
    """Return the encoder of a model, after a check that other libraries can encode its texts."""
    fitted = classifier.fitted_
    encoder = fitted.features.encoder
    if not is_tunable(encoder):
        raise ConfigError(
            f"format={format!r} needs a TransformerEncoder, got {type(encoder).__name__}. "
            "Save the model instead, or fit it with a TransformerEncoder."
        )
    if fitted.probe.are_pairs and not fitted.features.joint:
        raise ConfigError(
            "Other libraries encode the two texts of a pair together, but this model encodes them "
            "separately. Fit it with pair_encoding='joint'."
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
    """The parts of a classifier that an export writes.

    Attributes
    ----------
    encoder : TransformerEncoder
    loaded : LoadedEncoder
        The encoder with its fine-tuned weights.
    head : tuple of (ndarray, ndarray)
        Weights (n_labels, n_features) and offset (n_labels,), including calibration.
    labels : list of str
    several : bool
        True if a text may have several labels.
    pairs : bool
        True if the model reads pairs of texts.
    """

    encoder: TransformerEncoder
    loaded: LoadedEncoder
    head: tuple[FloatArray, FloatArray]
    labels: list[str]
    several: bool
    pairs: bool

    @property
    def _base(self) -> str:
        """The base encoder of the adapter for peft: its name on the Hub, else its local folder."""
        folder = self.encoder.folder
        return folder.origin or str(folder.name)

    def write_transformers(self, folder: Path) -> None:
        """Write the model as a sequence classifier of transformers.

        Raises
        ------
        ConfigError
            If no classifier of transformers uses the pooling of this model.
        """
        if not self._is_stock:
            raise ConfigError(
                "format='transformers' needs the pooling of transformers, tokens='stock', but this "
                f"model was trained with tokens={self.encoder.reader.pooling.tokens!r}. Train with "
                "TransformerEncoder(name, pooling=Pooling(tokens='stock', normalize=False))."
            )
        model = self._classifier()
        model.save_pretrained(folder)
        with sheltered():
            loaded = (
                type(model)
                .from_pretrained(folder, local_files_only=True, trust_remote_code=False)
                .eval()
            )
        self._compare(model.eval(), loaded)

    def write_peft(self, folder: Path) -> None:
        """Write the adapter and its head in the format of ``peft``.

        Raises
        ------
        ConfigError
            If the model has no adapter that is separate from the weights of its encoder.
        """
        adapter = self.loaded.adapter
        if adapter is None:
            raise ConfigError(
                "format='peft' needs a model with a separate adapter, and this model has none. "
                "Fit it with transfer=LoRA(merge=False)."
            )
        if self.loaded.base is not None:
            raise ConfigError(
                "format='peft' needs an adapter of the original encoder, but this adapter belongs "
                "to an encoder that was fine-tuned before, and peft cannot load that encoder. "
                "Export with format='transformers', or save the model."
            )
        config = {**adapter.config, "base_model_name_or_path": self._base}
        arrays = dict(adapter.arrays)
        if self._is_stock:
            model = self._classifier()
            model.config.save_pretrained(folder)
            last = classifier_name(model)
            modules = {last.split(".", 1)[0], *(config.get("modules_to_save") or ())}
            config |= {"task_type": "SEQ_CLS", "modules_to_save": sorted(modules)}
            weights, offset = self.head
            arrays[f"base_model.model.{last}.weight"] = weights.astype(np.float32)
            arrays[f"base_model.model.{last}.bias"] = offset.astype(np.float32)
        else:
            self._write_head(folder)
        Adapter(config, arrays).save(folder)

    def write_sentences(self, folder: Path) -> None:
        """Write the encoder in the format of ``sentence-transformers``, and the head next to it.

        Raises
        ------
        ConfigError
            If that library does not support the pooling of this model.
        """
        reader = self.encoder.reader
        source, pooling = reader.folder, reader.pooling
        plain = (
            pooling.layers == (-1,)
            and pooling.dimension is None
            and not source.sentence.layers_after_pooling
        )
        if self._is_stock or not plain or self.pairs:
            raise ConfigError(
                "format='sentence-transformers' needs single texts and plain token pooling of the "
                f"last layer, got {source.name!r} with {pooling!r}"
                f"{' of pairs' if self.pairs else ''}. "
                "Train with Pooling(), or save the model."
            )
        model = copy.deepcopy(self.loaded.model).float().cpu()
        write_model(model, source, folder)
        files = _sentence_files(reader)
        for name, settings in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(settings, indent=1), encoding="utf-8")
        self._write_head(folder)
        exact = replace(self.loaded, model=model, dtype="float32", device="cpu")
        sentences = ["One text.", "And another one."]
        loaded = TransformerEncoder(folder, cache=None, precision="float32", device="cpu")
        expected = self.encoder.with_weights(exact).transform(sentences)
        difference = float(np.abs(loaded.transform(sentences) - expected).max())
        _check_difference("vectors", difference)

    @property
    def _is_stock(self) -> bool:
        return self.encoder.reader.is_stock

    def _classifier(self) -> Any:
        """Return the transformers model with our head in the place of its last layer."""
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
        """Write the head to extra files, because the exported model has no layer for it."""
        weights, offset = self.head
        save_arrays(folder / f"{_HEAD}.safetensors", {"weight": weights, "bias": offset})
        pooling = self.encoder.reader.pooling
        description = {
            "labels": self.labels,
            "several": self.several,
            "pooling": pooling.get_params() | {"layers": list(pooling.layers)},
        }
        text = json.dumps(description, indent=1)
        (folder / f"{_HEAD}.json").write_text(text, encoding="utf-8")

    def _compare(self, model: torch.nn.Module, loaded: torch.nn.Module) -> None:
        import torch

        tokens = self.encoder.folder.tokenizer(["One text.", "And another one."], padding=True)
        batch = {n: torch.tensor(tokens[n]) for n in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            difference = float((model(**batch).logits - loaded(**batch).logits).abs().max())
        _check_difference("logits", difference)


def _check_difference(name: str, difference: float) -> None:
    """Raise an error if the outputs of the exported model differ from the original."""
    if not difference <= _MAX_DIFFERENCE:
        raise StorageError(
            f"The exported model must give the same {name} as the original, up to "
            f"{_MAX_DIFFERENCE}, but they differ by {difference:.2g}. Please report this."
        )


def _kind(module: str) -> str:
    """Return the class of a sentence-transformers module from the name of its folder."""
    return module.partition("_")[2] or "Transformer"


def _sentence_files(reader: TextReader) -> dict[str, Any]:
    """Return the settings files of sentence-transformers by name, as plain JSON."""
    source, pooling = reader.folder, reader.pooling
    lower_case = source.tokenization.lowers_by_hand
    mode = {f"pooling_mode_{_MODES[pooling.tokens]}": True}
    size = {"word_embedding_dimension": source.hidden_size}
    modules = ["", "1_Pooling", *(["2_Normalize"] if pooling.normalize else [])]
    return {
        "modules.json": [
            {"idx": n, "name": str(n), "path": path, "type": _MODULE + _kind(path)}
            for n, path in enumerate(modules)
        ],
        "sentence_bert_config.json": {"max_seq_length": reader.window, "do_lower_case": lower_case},
        "config_sentence_transformers.json": _prompted(source.sentence.prompt),
        "1_Pooling/config.json": size | mode,
    }


def _prompted(prompt: str) -> dict[str, Any]:
    """Return the settings of the prompt before each text; empty without a prompt."""
    return {"prompts": {"text": prompt}, "default_prompt_name": "text"} if prompt else {}


def _loaded(encoder: TransformerEncoder) -> LoadedEncoder:
    """Return the fitted weights, or load them in float32 together with their stored adapter."""
    if encoder.weights is not None:
        return encoder.weights
    stock = encoder.reader.is_stock
    folder = encoder.folder
    loaded = load_encoder(folder, dtype="float32", device=encoder.device, stock=stock)
    adapter = None if folder.adapter is None else Adapter.load(folder.adapter)
    return LoadedEncoder(folder, loaded.model, loaded.dtype, loaded.device, adapter=adapter)


def _on_last_layer(scorer: FittedHead, layers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the head as one linear map from the last layer to calibrated logits.

    Raises
    ------
    ConfigError
        If the head is not linear, or reads several layers.
    """
    if np.count_nonzero(layers) > 1:
        raise ConfigError(
            "Other libraries support heads on one layer, but this head reads "
            f"{np.count_nonzero(layers)} layers. Export with format='onnx', or fit with "
            "transfer=Frozen('top')."
        )
    weights, offset = _calibrated(scorer)
    return weights * layers[np.flatnonzero(layers)[0]], offset


def _head_on_groups(
    fitted: FittedModel, encoder: TransformerEncoder
) -> tuple[FloatArray, FloatArray]:
    """Return the head as one linear map from all pooled vectors to calibrated logits."""
    weights, offset = _calibrated(fitted.scorer)
    scales = np.repeat(fitted.features.weights, [width for _, width in encoder.groups])
    whole = np.zeros((len(weights), len(scales)))
    whole[:, scales != 0] = weights * scales[scales != 0]
    if encoder.projection is not None:
        whole = whole @ encoder.projection.T
    return whole.astype(np.float32), offset.astype(np.float32)


def _calibrated(scorer: FittedHead) -> tuple[FloatArray, FloatArray]:
    """Return the head as one linear map to calibrated logits.

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
            raise _not_linear(scorer.head)
        weights, offset = arrays["weight"] * float(arrays["scale"][0]), arrays["bias"]
    elif isinstance(fitted, OneVsRest):
        weights, offset = linear_map(fitted)
        for column, head in enumerate(fitted.heads_):
            if isinstance(head, float):  # a constant: all rows had the label, or no row had it
                offset[column] = head
    elif hasattr(fitted, "coef_"):
        weights, offset = linear_map(fitted)
    else:
        raise _not_linear(scorer.head)
    shift = 0.0 if decision.offsets is None else decision.offsets
    return weights / decision.temperature, offset / decision.temperature + shift


def _not_linear(head: object) -> ConfigError:
    return ConfigError(
        f"An export needs a linear head, and {type(head).__name__} is not linear. "
        "Fit with a linear head, such as LogisticHead(), or save the model."
    )
