"""Turns the TypedDicts of an official SDK into a judge of JSON.

The SDK's own types are for people who write Python: they let unknown keys pass, hold
iterables that pydantic checks only once somebody walks them, and admit open files and
response models. On the wire there are objects, arrays and scalars only, so `closed`
rebuilds a type as what may be on the wire and nothing else.
"""

import os
import typing
from collections.abc import Iterable

import pydantic
import typing_extensions
from anthropic._types import SequenceNotStr
from pydantic import ConfigDict, Discriminator, Tag
from typing_extensions import Literal, NotRequired, Required, TypedDict, is_typeddict

# `object` stands in the SDK for any JSON value.
ANY = {object: typing.Any}


def closed(kind):
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_typeddict(kind):
        return closed_object(kind)
    if origin in (Required, NotRequired):
        return origin[closed(arguments[0])]
    if origin in (Iterable, SequenceNotStr, list):
        return list[closed(arguments[0])]
    if origin is dict:
        return dict[arguments[0], closed(arguments[1])]
    if origin is typing.Union:
        return closed_union(arguments)
    return ANY.get(kind, kind)


def closed_object(kind):
    # A key that must be there is always marked so in these types, also in total ones.
    fields = typing_extensions.get_type_hints(kind, include_extras=True)
    copy = TypedDict(kind.__name__, {name: closed(field) for name, field in fields.items()}, total=False)
    copy.__pydantic_config__ = ConfigDict(strict=True, extra="allow" if is_open(kind) else "forbid")
    return copy


def is_open(kind):
    """Whether the SDK itself says that further keys are welcome, as in a JSON schema."""
    return getattr(kind, "__pydantic_config__", {}).get("extra") == "allow"


def closed_union(members):
    members = [member for member in flat(members) if not is_off_the_wire(member)]
    if any(is_typeddict(member) and is_open(member) for member in members):
        # Beside an open object, a bare `dict` would only take its required keys away.
        members = [member for member in members if typing.get_origin(member) is not dict]
    objects = [member for member in members if is_typeddict(member)]
    rest = [closed(member) for member in members if not is_typeddict(member)]
    return typing.Union[tuple([told_apart(objects)] + rest if objects else rest)]


def flat(members):
    """The members of unions in a union; they may be annotated with what only the SDK reads."""
    for member in members:
        if typing.get_origin(member) is typing.Annotated:
            member = typing.get_args(member)[0]
        inner = typing.get_origin(member) is typing.Union
        yield from flat(typing.get_args(member)) if inner else [member]


def is_off_the_wire(member):
    origin = typing.get_origin(member) or member
    return isinstance(origin, type) and issubclass(origin, (typing.IO, os.PathLike, pydantic.BaseModel))


def told_apart(objects):
    """A union by `type` or `role`, so that an error is about the object that was meant."""
    for key in ("type", "role"):
        named = [literals(kind, key) for kind in objects]
        if len(objects) > 1 and all(named):
            # Several kinds may claim one name: OpenAI has three objects of type "message".
            claims = {}
            for kind, names in zip(objects, named):
                for name in dict.fromkeys(names):
                    claims.setdefault(name, []).append(kind)
            tags = {name: "|".join(kind.__name__ for kind in kinds) for name, kinds in claims.items()}
            members = {tags[name]: typing.Union[tuple(closed(kind) for kind in kinds)] for name, kinds in claims.items()}
            tagged = [typing.Annotated[member, Tag(tag)] for tag, member in members.items()]
            return typing.Annotated[typing.Union[tuple(tagged)], Discriminator(chosen_by(key, tags))]
    return typing.Union[tuple(closed(kind) for kind in objects)]


def literals(kind, key):
    """What the key may say, None among it where it may be left out."""
    field = typing_extensions.get_type_hints(kind, include_extras=True).get(key)
    names, waiting = [], [field]
    while waiting:
        part = waiting.pop()
        arguments = typing.get_args(part)
        names.extend(arguments if typing.get_origin(part) is Literal else [])
        waiting.extend([] if typing.get_origin(part) is Literal else arguments)
    return names + [None] * (typing.get_origin(field) is not Required) if names else []


def chosen_by(key, tags):
    def choose(value):
        name = value.get(key) if isinstance(value, dict) else None
        return tags.get(name, name) if name is None or isinstance(name, str) else None

    return choose
