"""A writer of pickles as by Python 2, protocol 0: strings are bytes, which Python 3's pickle can no longer write."""


def python2_pickle(value: object) -> bytes:
    """Pickle lists, tuples, dictionaries, texts, numbers and None; an instance of `Raw` goes in as it is."""
    return _program(value) + b"."


class Raw(bytes):
    """Instructions of a pickle."""


def _program(value: object) -> bytes:
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, bool):
        return b"I01\n" if value else b"I00\n"
    if isinstance(value, int):
        return b"I%d\n" % value
    if isinstance(value, float):
        return b"F%r\n" % value
    if isinstance(value, str):
        return b"S" + repr(value.encode("latin1"))[1:].encode() + b"\n"
    if isinstance(value, list):
        return b"(l" + b"".join(_program(item) + b"a" for item in value)
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_program, value)) + b"t"
    if isinstance(value, dict):
        return b"(d" + b"".join(_program(key) + _program(item) + b"s" for key, item in value.items())
    assert value is None
    return b"N"
