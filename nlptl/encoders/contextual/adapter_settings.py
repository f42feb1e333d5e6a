"""Allowed settings of a stored adapter, as a closed list."""

# ruff: noqa: SIM905 - long lists of names are easier to compare with those of peft as text.
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from nlptl.base.arrays import AnyArray
from nlptl.base.errors import IntegrityError
from nlptl.encoders.contextual.regex_checks import is_quick

ADAPTER_KINDS = frozenset(
    """
    LORA ADALORA ADAMSS BEFT BOFT C3A DEFT DELORA FOURIERFT FROD GLORA GRALORA HIRA HRA IA3
    LILY LN_TUNING LOHA LOKR MISS OFT OSF PEANUT PSOFT PVERA RANDLORA ROAD SHIRA SUPERTUNING
    TINYLORA UNILORA VBLORA VERA WAVEFT
    """.split()
)
"""Adapters of layers. Prompt methods and mixtures of other adapters are not supported."""

_LAYERS = frozenset(
    """
    exclude_modules feedforward_modules layers_pattern layers_to_transform modules_to_save
    target_modules target_parameters trainable_token_indices
    """.split()
)
_SIZES = frozenset(
    """
    asa_target_subspaces block_size boft_block_num boft_block_size boft_n_butterfly_factor
    decompose_factor depth effective_rank gralora_k group_size hybrid_r init_r mini_r
    n_frequency num_B num_cayley_neumann_terms num_subspaces num_vectors oft_block_size
    psoft_svd_lowrank_niter qalora_group_size r stride_A subspace_rank target_r
    theta_d_length topk u vector_length
    """.split()
)
_SCALES = frozenset(
    """
    alpha asa_importance_beta asa_schedule_exponent asa_uncertainty_beta beta1 beta2
    boft_dropout cayley_neumann_eps d_initial deft_dropout delora_lambda deltaT eps
    final_warmup frod_dropout generator_seed gralora_dropout hira_dropout init_logits_std
    init_scale init_theta_d_bound init_v_bound init_vector_bank_bound init_warmup lora_alpha
    lora_dropout mask_interval miss_dropout module_dropout orth_reg_weight proj_seed
    projection_prng_key projection_seed psoft_alpha psoft_dropout pvera_dropout
    randlora_alpha randlora_dropout random_loc_seed random_seed rank_dropout
    regularization_alpha scaling sparse_rate sparsity svd_threshold tfinal tinit
    tinylora_dropout total_step unilora_dropout vblora_dropout vera_dropout weight_tying
    """.split()
)
_CHOICES = frozenset(
    """
    ab_svd_init act_fn apply_GS bias block_share coft config_A_B config_C config_D_E
    decompose_both decomposition_method ensure_weight_tying fan_in_fan_out inference_mode
    init_ia3_weights init_lora_weights init_weights lora_bias mask_type para peft_type
    peft_version progressbar proportional_parameters psoft_mag_a psoft_mag_b psoft_orth
    psoft_svd rank_dropout_scale runtime_offload_base_weight sample_at_inference
    save_indices save_only_topk_weights save_precomputed_indices save_projection select_top
    sparse task_type use_asa use_cayley_neumann use_dora use_dynamic_rank
    use_effective_conv2d use_idwt use_qalora use_rslora variant very_sparse wavelet_family
    """.split()
)
_PATTERNS = frozenset(
    """
    alora_invocation_tokens alpha_pattern block_size_pattern lambda_pattern loftq_config
    n_frequency_pattern rank_pattern target_svd_config
    """.split()
)
_KNOWN = _LAYERS | _SIZES | _SCALES | _CHOICES | _PATTERNS

_DROPPED = ("auto_mapping", "base_model_name_or_path", "parent_library", "revision")
"""Settings that are reset: path and class of the encoder, which is already loaded."""
_UNUSED = {"megatron_core": "megatron.core"}
"""Settings that peft writes and never uses. It would import any other value."""

_MOVES_BASE = re.compile(r"loftq|olora|pissa(_niter_\d{1,2})?")
"""Initialisations that change the encoder. Loading has to repeat them."""
MAX_LOFTQ = 16
MAX_SIZE = 1_024
"""Maximum value of a size setting. A larger dimension of the weights raises this limit."""
MAX_ENTRIES = 10_000


def checked_settings(settings: object, arrays: Mapping[str, AnyArray], name: str) -> dict[str, Any]:
    """Check the settings of a stored adapter and return them without paths of other machines.

    Parameters
    ----------
    settings : dict
        Content of the settings file.
    arrays : dict of str to ndarray
        Weights of the adapter. Their dimensions limit every size setting.
    name : str
        Name of the file, for error messages.

    Raises
    ------
    IntegrityError
        If nlptl does not support this type of adapter, or if a setting is unknown, malformed or
        far larger than the weights.
    """
    kind = settings.get("peft_type") if isinstance(settings, dict) else settings
    if not isinstance(kind, str) or kind not in ADAPTER_KINDS or not isinstance(settings, dict):
        raise IntegrityError(
            f"{name!r} must describe an adapter of layers, such as LORA, got {str(kind)[:100]!r}. "
            "Save the model again or restore a copy."
        )
    checked = dict(settings)
    for key in _DROPPED:
        if key in checked:
            checked[key] = None
    start = checked.get("init_lora_weights", True)
    if isinstance(start, str) and not _MOVES_BASE.fullmatch(start):
        checked["init_lora_weights"] = True  # the stored weights replace the initial ones
    largest = max((size for array in arrays.values() for size in array.shape), default=0)
    for key, value in checked.items():
        if not _is_sound(key, value, max(MAX_SIZE, largest)):
            raise IntegrityError(
                f"{name!r} sets {key!r} to {str(value)[:100]!r}, which does not fit the weights of "
                "the adapter. Save the model again or restore a copy."
            )
    return checked


def _is_sound(key: str, value: object, largest: int) -> bool:
    """Return True if a setting is known and its value is harmless."""
    if key in _UNUSED:
        return bool(value in (None, _UNUSED[key]))
    if key not in _KNOWN:
        return value is None or value is False or value in ({}, [])
    if isinstance(value, list | dict) and key not in _LAYERS | _PATTERNS:
        return False
    bound = largest if key in _SIZES | _PATTERNS else 2**62
    parts = _parts(value)
    bound = MAX_LOFTQ if key == "loftq_config" else bound
    return len(parts) <= MAX_ENTRIES and all(_is_harmless(part, bound) for part in parts)


def _is_harmless(part: object, largest: int) -> bool:
    if isinstance(part, str):
        return is_quick(part) and not part.startswith("/") and ".." not in part.split("/")
    if isinstance(part, float):
        return math.isfinite(part)
    return (
        part is None or isinstance(part, bool) or (isinstance(part, int) and -1 <= part <= largest)
    )


def _parts(value: object) -> list[Any]:
    """List all scalar values of a setting, including the keys of dictionaries."""
    waiting, parts = [value], []
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list):
            waiting += [*item, *item.values()] if isinstance(item, dict) else item
        else:
            parts.append(item)
    return parts
