"""The search: a space, a problem and a controller joined, and driven to an end.

What a user meets, and what it is made of:

- `search`: `Search`, what a user describes and runs.
- `options`: every option of a search in one list, from which its arguments, its description and the command
  line derive.
- `arguments`: the arguments checked and made into what they stand for, and read back from a description.
- `space_check`: whether all that a space says is heard by a search.
- `fingerprint`: what tells the data of one problem from another.
- `user_code`: what tells the code of a search's own modules from what it was: each name and what it uses.
- `code_owner`, `code_syntax`, `code_instructions`, `code_values`: whose code is, what its source and its
  instructions name, and what stands for its values.
- `store_record`: the record of a search in its store: a new one, or the one to go on with.
- `making`: the controller and the fidelity of a search, made anew for each run.
- `priors`: what a search expects of decisions before it has results.
- `hints`: the scores of untrained networks that a controller may look at.
- `notices`: what a person should know of a search, said once.
- `callbacks`, `progress`: who hears of a search while it runs, and how far it is.

What runs it, from the outside in:

- `loop`: each turn takes results, asks for proposals, records, and starts jobs.
- `flights`: a trial on its way from the proposal to its end, and those that are on their way.
- `launcher`: how a flight begins: sent to a worker, or answered at once.
- `outcomes`: how a flight ends: recorded, ranked, told to the controller.
- `history`, `kept_weights`, `checkpoints`: the trials that are over, the weights and states that are kept.
- `cost_limits`: the limits that a network is held against before any training.
- `reused_results`, `sources`: what a search takes from others: results, and a start.
- `plan`: what a search chooses by its budget while it runs, each choice with its reason.
- `lessons`: the training of a bank that networks share, part by part.
- `lesson_networks`: the networks that train it, where a controller draws them.
- `replay`: a new driver brought to where the last one was.
- `end`: when a search is over, and how its end is moved.

Importing this package imports neither torch nor the store: the command line reads the options alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.search.search import Search

__all__ = ["Search"]


def __getattr__(name: str) -> Any:
    if name == "Search":
        from nas.search.search import Search

        return Search
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
