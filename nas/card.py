"""The model card that goes with an exported network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas.reuse import Found


def card(found: Found) -> str:
    """What the network is, how it was found and trained, and how it does, in Markdown."""
    came = found.provenance
    architecture = found.architecture
    recipe = architecture.recipe or {}
    own = ", ".join(f"{key} {value}" for key, value in recipe.items()) or "the defaults"
    return f"""# Network {architecture.id}

Found by a neural architecture search for the problem **{came.get("problem", "?")}**
(search {came.get("search", "?")}, trial {came.get("trial", "?")}, controller {came.get("controller", "?")},
seed {came.get("seed", "?")}).

| | validation | test |
|---|---|---|
{_rows(found.metrics, found.test_metrics)}

Objectives: {", ".join(came.get("objectives", [])) or "none"}.
Limits: {", ".join(came.get("limits", [])) or "none"}.
The network was chosen by its validation metrics; the test metrics were not looked at.

## Architecture

```
{architecture.draw(found.signature)}
```

## Training

{came.get("epochs", "?")} epochs in {came.get("seconds") or 0:.1f} s. Recipe: {own}.

## Use

```python
import nas

network = nas.load("this folder").build()  # a torch.nn.Module, in evaluation mode
```
"""


def _rows(metrics: Mapping[str, float], test: Mapping[str, float]) -> str:
    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}" if isinstance(value, float) else f"{value:,}"

    return "\n".join(
        f"| {name} | {cell(value)} | {cell(test.get(name))} |" for name, value in metrics.items()
    )
