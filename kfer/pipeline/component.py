"""Components are functions; their signature is the edge of the graph.

A parameter annotated ``Input[Kind]`` takes an artifact, ``Output[Kind]`` makes one, ``Work`` is a
folder that outlives a killed run, ``Afresh`` says that the run uses no cache, and any other parameter is
a plain value.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from kfer.pipeline.artifacts import Artifact

_INPUT, _OUTPUT, _WORK, _AFRESH = "input", "output", "work", "afresh"
_Kind = TypeVar("_Kind", bound=Artifact)

Input = Annotated[_Kind, _INPUT]
Output = Annotated[_Kind, _OUTPUT]
#: A folder that is kept when the component is killed and given again when it runs with the same key.
Work = Annotated[Path, _WORK]
#: Whether nothing may be used that an earlier run made; the execution's key is the same either way.
Afresh = Annotated[bool, _AFRESH]


@dataclass(frozen=True)
class Component:
    """A function together with what its signature says.

    Attributes:
        function: Does the work and returns a sentence that says what came out.
        name: The function's name in TFX's spelling ("ExampleGen").
        inputs: Names of the artifacts that it takes.
        outputs: Names of the artifacts that it makes, with their kinds.
        parameters: Names of its plain values.
        work: Name of its work folder's parameter, if it has one.
        afresh: Name of the parameter that is true in runs without a cache, if it has one.
        fingerprint: From its plain values, a text that changes when data outside the pipeline does.
        still_valid: From its outputs' folders, whether what they point at outside is still there.
    """

    function: Callable[..., str]
    name: str
    inputs: tuple[str, ...]
    outputs: Mapping[str, type[Artifact]]
    parameters: tuple[str, ...]
    work: str | None
    afresh: str | None
    fingerprint: Callable[[Mapping[str, Any]], str]
    still_valid: Callable[[Mapping[str, Path]], bool]

    def __call__(self, **arguments: Any) -> "Node":
        """A node of the graph: this component with its inputs and values bound.

        Raises:
            TypeError: An argument is missing, unknown, or not an output where one is needed.
        """
        expected = {*self.inputs, *self.parameters}
        if set(arguments) != expected:
            raise TypeError(f"{self.name} takes {sorted(expected)}; got {sorted(arguments)}")
        for name in self.inputs:
            if not isinstance(arguments[name], OutputOf | LatestBlessed):
                raise TypeError(
                    f"{self.name}'s input {name!r} must be another component's output, such as "
                    f"example_gen['examples']; got {arguments[name]!r}"
                )
        return Node(self, arguments)


@dataclass(frozen=True)
class Node:
    """A component in a graph."""

    component: Component
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.name

    def __getitem__(self, output: str) -> "OutputOf":
        """The output of that name, to be given to another component."""
        if output not in self.component.outputs:
            raise KeyError(f"{self.name} has no output {output!r}; it has {self.output_names}")
        return OutputOf(self.name, output)

    @property
    def output_names(self) -> list[str]:
        """The names of its outputs."""
        return list(self.component.outputs)

    @property
    def upstream(self) -> set[str]:
        """Names of the nodes whose outputs this one takes."""
        return {argument.node for argument in self.arguments.values() if isinstance(argument, OutputOf)}


@dataclass(frozen=True)
class OutputOf:
    """An edge of the graph: the output of one node, as another's input."""

    node: str
    output: str


@dataclass(frozen=True)
class LatestBlessed:
    """An output of the newest execution of this very component that blessed another model.

    Its value is None while there is none.

    Attributes:
        node: The component's name.
        output: The output that is wanted.
        blessing: The output that is the blessing.
        model: The input that is the model.
    """

    node: str
    output: str
    blessing: str
    model: str


def component(
    fingerprint: Callable[[Mapping[str, Any]], str] = lambda values: "",
    still_valid: Callable[[Mapping[str, Path]], bool] = lambda outputs: True,
) -> Callable[[Callable[..., str]], Component]:
    """Makes a component of a function, by its signature."""

    def decorate(function: Callable[..., str]) -> Component:
        roles: dict[str, list[str]] = {_INPUT: [], _WORK: [], _AFRESH: [], "": []}
        outputs: dict[str, type[Artifact]] = {}
        hints = get_type_hints(function, include_extras=True)
        for name in inspect.signature(function).parameters:
            kind, role = _role(hints[name])
            if role == _OUTPUT:
                outputs[name] = kind
            else:
                roles[role].append(name)
        return Component(
            function=function,
            name="".join(word.capitalize() for word in function.__name__.split("_")),
            inputs=tuple(roles[_INPUT]),
            outputs=outputs,
            parameters=tuple(roles[""]),
            work=roles[_WORK][0] if roles[_WORK] else None,
            afresh=roles[_AFRESH][0] if roles[_AFRESH] else None,
            fingerprint=fingerprint,
            still_valid=still_valid,
        )

    return decorate


def _role(hint: Any) -> tuple[Any, str]:
    """An annotation's type, and what its parameter is for."""
    for choice in get_args(hint) if get_origin(hint) is not Annotated else (hint,):
        if get_origin(choice) is Annotated:  # Input[Model] | None holds an annotated choice
            kind, role = get_args(choice)
            return kind, role
    return hint, ""
