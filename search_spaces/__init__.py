"""What can be built: spaces of networks, and the architectures, networks and costs that come of them.

A *space* is an architecture with *holes*: decisions left open among options or in a range of numbers. To
*fill* a space is to decide each hole that the decisions before it make active. What comes of it is an
*architecture*: it has an identity, writes itself as JSON, and builds a network for a *signature*, which names
the inputs that a network receives and the tasks that it serves.

    >>> import random
    >>> from torch import nn
    >>> from search_spaces import Classification, Image, Signature, Space, choice, layer, repeat, sequential
    >>> block = sequential(
    ...     layer(nn.Conv2d, out_channels=choice(8, 16), kernel_size=choice(3, 5), padding="same"),
    ...     choice(relu=layer(nn.ReLU), gelu=layer(nn.GELU)),
    ... )
    >>> space = Space(sequential(repeat(block, times=(1, 2))))
    >>> space.size()
    72
    >>> architecture = space.sample(random.Random(0))
    >>> architecture.id == Space.from_json(space.to_json()).architecture(architecture.decisions).id
    True
    >>> digits = Signature({"image": Image(1, 28, 28)}, {"digit": Classification(10)})
    >>> network = architecture.build(digits)  # a torch module; sizes of inputs and heads are found
    >>> architecture.cost(digits).num_params == sum(parameter.numel() for parameter in network.parameters())
    True

Nothing here knows of searching: who picks is told of paths and holes, never of modules. Importing this
package does not import torch. From the roof down, each room imports only those below it:

- `testing`: the tests that every space must pass, to be inherited. It needs pytest.
- `catalog`: ready-made spaces by name (``cnn``, ``vit``, ``multimodal``, ...), and recipes of training.
- `conditions`: when a hole is active, told without filling the space.
- `space`: `Space` and its one primitive, `fill`: sampling, decoding and enumeration are other ways to pick.
- `meanings`: what the numbers in a network's tensors mean, by which networks of a space share weights.
- `architecture`: `Architecture`, a filled space. What a dry run found serves its cost, network and picture.
- `serial`: JSON that holds only data; `registry` has the closed table of the classes that it may name.
- `building`: from an architecture and a signature to an outline (sizes, shapes, cost), a network, a picture.
- `blocks`: the modules that torch lacks; `blocks.backbone` joins inputs and tasks, `blocks.heads` answer.
- `canonical`: one form for all the ways to write one network; `space_size` counts the ways to fill a space.
- `model`: what a network is built from, the body and the heads that a filled space names.
- `nodes`: what spaces are made of, `layer`, `sequential`, `repeat`, and how these are taken apart and
  rebuilt.
- `holes`, `ranges`: the decisions, `choice`, `integer` and `real`.
- `signature`, `tasks`, `inputs`: what networks serve.
- `plugins`: catalogs of what can be asked for by name, ours and installed packages'.
- `arguments`: what public constructors are given, held against their annotations; `annotations` reads these.
- `bounds`: how large what is described may be.
- `errors`: every error of the project that is meant for people. `platforms`: where it runs.

Data pass downhill: nodes with holes, from the `catalog` or written by you -> `Space` -> `fill` ->
`Architecture` -> its `Model` -> `building.outline` (a `Plan`) -> `building.build` (a `Network`). What comes
back is plain: JSON, identities, costs.
"""

import search_spaces.platforms  # noqa: F401 - first: it says so where the rest would not run
from search_spaces.architecture import Architecture
from search_spaces.building.cost import Cost
from search_spaces.holes import choice
from search_spaces.nodes import layer, repeat, sequential, size
from search_spaces.ranges import integer, real
from search_spaces.signature import (
    Classification,
    CountRegression,
    DenseMap,
    Generation,
    Image,
    MultiLabel,
    Ordinal,
    QuantileRegression,
    Regression,
    Retrieval,
    Sequence,
    Signature,
    TabularRow,
    Tagging,
    Tokens,
    Vector,
)
from search_spaces.space import Space

__all__ = [
    "Architecture",
    "Classification",
    "Cost",
    "CountRegression",
    "DenseMap",
    "Generation",
    "Image",
    "MultiLabel",
    "Ordinal",
    "QuantileRegression",
    "Regression",
    "Retrieval",
    "Sequence",
    "Signature",
    "Space",
    "TabularRow",
    "Tagging",
    "Tokens",
    "Vector",
    "choice",
    "integer",
    "layer",
    "real",
    "repeat",
    "sequential",
    "size",
]
