"""Values of options that need no conversion: typer loads a library for 0.1 s to convert any, even a text to a text."""

from __future__ import annotations

from typing import Any

DIGITS = 18  # of a whole number that is read here
LOOK = object()  # a value that the conversion has to look at


def convert_seldom(command: Any, above: Any = None) -> None:
    """Let a command and those below it call typer's conversion only for values that need one."""
    context = command.context_class(command, parent=above, **command.context_settings)
    for parameter in command.get_params(context):
        if getattr(parameter, "type_descriptor", None) is not None:  # versions of typer without it convert quickly
            _spare(parameter)
    for below in getattr(command, "commands", {}).values():
        convert_seldom(below, context)


def _spare(parameter: Any) -> None:
    convert, about = parameter.process_value, parameter.type_descriptor.parameter_info
    if about.parser is not None or about.clamp or parameter.nargs not in (1, -1):
        return

    def process(context: Any, value: Any) -> Any:
        found = _plain(value, parameter)
        if found is LOOK or (parameter.required and parameter.value_is_missing(found)):
            return convert(context, value)
        return found if parameter.callback is None else parameter.callback(context, parameter, found)

    parameter.process_value = process


def _plain(value: Any, parameter: Any) -> Any:
    """The value as the conversion would return it, or ``LOOK``."""
    kind, about = parameter.type_descriptor.annotation, parameter.type_descriptor.parameter_info
    many = parameter.multiple or parameter.nargs == -1
    if value is None:
        return () if many else None
    if many:
        texts = kind == list[str] and type(value) in (list, tuple) and all(type(one) is str for one in value)
        return list(value) if texts else LOOK
    if kind is int and type(value) is str and value.isascii() and value.isdigit() and len(value) <= DIGITS:
        value = int(value)
    if kind not in (str, int, float, bool) or type(value) is not kind:
        return LOOK
    within = kind is str or ((about.min is None or value >= about.min) and (about.max is None or value <= about.max))
    return value if within else LOOK
