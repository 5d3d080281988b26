"""Architecture: a space with every hole filled; its identity, JSON, network, cost and picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from search_spaces import serial
from search_spaces.arguments import checked
from search_spaces.canonical import identity
from search_spaces.errors import BuildError, FormatError
from search_spaces.holes import Hole, Value, is_plain
from search_spaces.model import Model, as_model
from search_spaces.signature import Signature

if TYPE_CHECKING:
    from search_spaces.building.cost import Cost
    from search_spaces.building.network import Network
    from search_spaces.building.plan import Plan
    from search_spaces.building.resolved import ResolvedModel
    from search_spaces.building.work import Work


class Architecture:
    """A space with no holes left. Made by `Space.fill` and its kin, or read by `from_json`.

    Attributes:
        value: the filled structure.
        decisions: the values of the active holes by path, in the order in which they were decided.
        holes: the holes of these paths; empty when the architecture was read from JSON.
    """

    def __init__(
        self, value: Any, decisions: Mapping[str, Value], *, holes: Mapping[str, Hole] | None = None
    ) -> None:
        self.value = value
        self.decisions: Mapping[str, Value] = MappingProxyType(dict(decisions))
        self.holes: Mapping[str, Hole] = MappingProxyType(dict(holes or {}))
        self._plans: dict[Signature, Plan] = {}

    @cached_property
    def id(self) -> str:
        """The identity: 16 hex digits, one for all the ways to write the same network.

        `search_spaces.canonical` has the rules.
        """
        return identity(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Architecture({self.id}, {dict(self.decisions)})"

    def __getstate__(self) -> dict[str, Any]:
        # holes are for who proposes, not for who trains: they need not travel; what a dry run found is found
        # again where it is asked for, which is cheaper than to send it
        return {"value": self.value, "decisions": dict(self.decisions), "id": self.id}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["value"], state["decisions"])  # type: ignore[misc]
        self.__dict__["id"] = state["id"]

    @property
    def model(self) -> Model:
        """The part that builds the network: the whole value, or what it has under ``"model"``.

        Raises:
            BuildError: there is no such part.
        """
        value = self.value
        model = as_model(value["model"] if isinstance(value, dict) and "model" in value else value)
        if not isinstance(model, Model):
            raise BuildError(
                "this space builds no network: expected a layer or a sequential, alone or under the key "
                f"'model', maybe with heads under 'body' and 'heads'; got {model!r:.80}"
            )
        return model

    @property
    def recipe(self) -> dict[str, Value] | None:
        """The recipe, which says how to train it: what the value has under ``"recipe"``, or None."""
        recipe = self.value.get("recipe") if isinstance(self.value, dict) else None
        return dict(recipe) if isinstance(recipe, dict) else None

    @checked(BuildError, only=())
    def build(self, signature: Signature) -> Network:
        """Builds the network for a signature, freshly initialised (from torch's global random state).

        Raises:
            BuildError: it does not fit; the message says which layer, and what came in.
        """
        from search_spaces.building.build import build

        return build(self.model, signature, self.plan(signature))

    @checked(BuildError, only=())
    def resolved(self, signature: Signature) -> ResolvedModel:
        """Returns the model with nothing left to find: every layer with all its arguments, sizes included.

        Raises:
            BuildError: the network does not fit the signature.
        """
        from search_spaces.building.resolved import resolved

        return resolved(self.model, signature, self.plan(signature))

    @checked(BuildError, only=())
    def cost(self, signature: Signature) -> Cost:
        """Counts parameters, multiply-adds and activation memory, without allocating or training anything.

        Raises:
            BuildError: the network does not fit the signature.
        """
        cost = self.plan(signature, counted=True).cost
        assert cost is not None
        return cost

    @checked(BuildError, only=())
    def work(self, signature: Signature) -> Work:
        """Counts what its operators do in a forward pass, on which its speed depends; `cost` takes no more.

        Raises:
            BuildError: the network does not fit the signature.
        """
        work = self.plan(signature, counted=True).work
        assert work is not None
        return work

    @checked(BuildError, only=("counted",))
    def plan(self, signature: Signature, counted: bool = False) -> Plan:
        """Returns what a dry run finds for a signature: one serves all that is asked, once it has counted.

        Args:
            signature: what the network serves.
            counted: whether its cost and its work are to be known, too.

        Raises:
            BuildError: the network does not fit the signature.
        """
        from search_spaces.building.outline import outline

        if not isinstance(signature, Signature):
            raise BuildError(
                f"signature: expected a Signature, such as problem.signature, got {signature!r:.80}"
            )
        plan = self._plans.get(signature)
        if plan is None or (counted and plan.cost is None):
            plan = self._plans[signature] = outline(self.model, signature, counted=counted)
        return plan

    @checked(BuildError)
    def id_for(self, signature: Signature) -> str:
        """Returns the identity of the network that `build` makes for a signature, with its recipe.

        Architectures that differ only in what other tasks or inputs need have one: a composite (see
        `search_spaces.nodes`) counts as what it expands to, and heads of other tasks do not count.

        Raises:
            BuildError: it does not fit the signature.
        """
        from search_spaces.building.outline import expanded

        model = self.model
        heads = {task: head for task, head in model.heads.items() if task in signature.tasks}
        built = replace(model, body=expanded(model, signature), heads=heads)
        whole = isinstance(self.value, dict) and "model" in self.value
        return identity({**self.value, "model": built} if whole else built)

    @checked(BuildError, only=())
    def draw(self, signature: Signature | None = None) -> str:
        """Draws a picture in text; with a signature also the shapes and parameters of every layer."""
        from search_spaces.building.drawing import draw, draw_value

        title = f"architecture {self.id}"
        try:
            model = self.model
        except BuildError:
            return draw_value(title, self.value)
        plan = None if signature is None else self.plan(signature, counted=True)
        return draw(title, model, self.recipe, signature, plan)

    def _repr_html_(self) -> str:
        """What notebooks show: the picture in text."""
        return f"<pre>{escape(self.draw())}</pre>"

    def to_json(self) -> str:
        """Writes the architecture as text: data only, layers by name.

        Raises:
            SpaceError: it holds something that is not data.
        """
        return serial.dumps(
            {
                "format": serial.ARCHITECTURE_FORMAT,
                "id": self.id,
                "decisions": dict(self.decisions),
                "value": serial.encode(self.value),
            }
        )

    @staticmethod
    @checked(FormatError, elsewhere=("modules",))
    def from_json(text: str, modules: Iterable[Callable[..., Any]] | None = None) -> Architecture:
        """Reads the architecture that `to_json` wrote. No code is imported or run for it.

        Args:
            text: the JSON text, possibly from a stranger.
            modules: the classes of your own that the text may name.

        Raises:
            FormatError: not an architecture, one with a layer not known here, or one that was altered.
        """
        data = serial.loads(text, serial.ARCHITECTURE_FORMAT, modules)
        decisions = data.get("decisions")
        if not isinstance(decisions, dict) or not all(is_plain(value) for value in decisions.values()):
            raise FormatError(f"decisions: expected plain values by path, got {decisions!r:.80}")
        architecture = Architecture(serial.decode(data["value"]), decisions)
        try:
            found = architecture.id
        except Exception as error:  # also what a class makes of arguments that a stranger wrote
            raise FormatError(f"not an architecture: {error}") from None
        if data.get("id") != found:
            raise FormatError(
                f"the text says it is {data.get('id')!r} but describes {found!r}: it was altered"
            )
        return architecture
