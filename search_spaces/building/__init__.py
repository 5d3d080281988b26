"""From an architecture to a network: sizes, dry runs, modules, costs, pictures.

`outline` runs a network on the meta device and notes a `plan`; `build` makes the real modules of it,
`resolved` a model with nothing left to find, `drawing` a picture; `cost` and `work` say what it counts. A
`network` is a body with heads; `transfer` has trained bodies in other uses.
"""
