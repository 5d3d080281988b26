"""Encoders of texts from the library transformers, made from a description, without any download."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from search_spaces.blocks.masks import attended, zero_padding
from search_spaces.errors import BuildError

MODEL_TYPES = ("albert", "bert", "deberta-v2", "distilbert", "electra", "mpnet", "roberta")
"""The encoders known to work here: each of their parameters takes part, and none of them loads anything."""


class HuggingFaceEncoder(nn.Module):
    """A transformer of the library transformers over tokens, with new weights.

    Needs ``pip install 'nasforge[transformers]'``. Token 0 is padding, and answered by zeros.

    Args:
        num_embeddings: the number of different tokens. Found when the network is built.
        in_shapes: the shape of a text, ``((length,),)``. Found when the network is built.
        config: the ``model_type``, one of `MODEL_TYPES`, and what its configuration class takes, such as
            ``{"model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 128}``. The vocabulary and the number of positions follow the texts unless
            they are given.

    Raises:
        BuildError: the library is not there.
        ValueError: another model type, or a setting that may load code (of attention, of the model).
    """

    def __init__(
        self, num_embeddings: int, in_shapes: tuple[tuple[int, ...], ...], config: dict[str, Any]
    ) -> None:
        super().__init__()
        settings = dict(config)
        kind = settings.pop("model_type", None)
        if kind not in MODEL_TYPES:
            raise ValueError(f"expected a model_type from {', '.join(MODEL_TYPES)}, got {kind!r}")
        loading = [key for key in settings if key.startswith("_") or key.endswith(("implementation", "_map"))]
        if loading:
            raise ValueError(f"expected settings of the network alone, got {loading[0]!r}")
        try:
            from transformers import AutoConfig, AutoModel
        except ImportError as error:
            raise BuildError(
                "HuggingFaceEncoder needs the library transformers: pip install 'nasforge[transformers]'"
            ) from error
        length = in_shapes[0][0]
        # RoBERTa counts positions from two on
        ours = {"pad_token_id": 0, "vocab_size": num_embeddings, "max_position_embeddings": length + 2}
        self.model = AutoModel.from_config(AutoConfig.for_model(kind, **{**ours, **settings}))
        if getattr(self.model, "pooler", None) is not None:
            self.model.pooler = None  # its answer is not looked at, so it would never learn

    def forward(self, input: Tensor) -> Tensor:
        """int64 ``(N, L)`` to ``(N, L, F)``, F being the configuration's hidden size."""
        there = input != 0
        look = attended(there)
        assert look is not None
        answer = self.model(input_ids=input, attention_mask=look.long()).last_hidden_state
        return zero_padding(answer, there)
