"""What each wire brings."""

import itertools
import json
import re

from provider_mock import Refused

from .scenario import RETRY_AFTER

counter = itertools.count(1)


def fresh(prefix):
    """An id of the provider's own making."""
    return f"{prefix}{next(counter):024x}"


def data_frame(value, event=None, end="\n"):
    head = f"event: {event}{end}" if event else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False)}{end}{end}".encode()


class Wire:
    """`read` judges a request and says what it asks; it raises `Refused` or pydantic's error."""

    # Status of "overloaded".
    busy = 429

    def admit(self, headers, key):
        """Whether the credential is right."""
        if headers.get("authorization") != f"Bearer {key}":
            raise Refused(401, "the credential is not this provider's")

    def read(self, path, headers, raw, body):
        raise NotImplementedError

    def whole(self, ask, reply):
        """The reply as one JSON value."""
        raise NotImplementedError

    def frames(self, ask, reply):
        """The reply as the events of a stream."""
        raise NotImplementedError

    def stumble(self, message):
        """The bytes of the event that ends a stream with an error."""
        raise NotImplementedError

    def error(self, status, message):
        """The body of an error."""
        raise NotImplementedError

    def error_headers(self, status):
        return {"retry-after": str(RETRY_AFTER)} if status == 429 else {}


def check_id(id, pattern, place):
    """Foreign ids have to be mapped to what this provider takes."""
    if not re.fullmatch(pattern, id):
        raise Refused(400, f"{place}: {id!r} does not match {pattern}")


def texts_of(content, kind="text"):
    """The texts of a message whose content is a string or a list of parts."""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or [] if part.get("type") == kind]
