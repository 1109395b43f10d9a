"""Suggestions for a misspelt name: the known names that are closest to it."""

from collections.abc import Iterable

MOST = 2  # suggestions; a longer list helps nobody
LEAST_BEGINNING = 3  # letters that two names must share at their beginnings to count as one another's short form
LETTERS_PER_SLIP = 4  # a name of eight letters may be two typing errors away, one of up to seven letters one


def closest_names(name: str, known: Iterable[str]) -> list[str]:
    """Return at most two known names that a misspelt one may stand for, the closest first; case does not matter.

    A name is close if it is few typing errors away, or if one of the two begins with the other.
    """
    given = name.casefold()
    ranked = []
    for order, other in enumerate(known):
        distance = typing_errors(given, other.casefold())
        if distance <= max(1, len(given) // LETTERS_PER_SLIP) or _abbreviates(given, other.casefold()):
            ranked.append((distance, order, other))
    return [other for _, _, other in sorted(ranked)[:MOST]]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x' or 'y'?)" for the closest known names, or nothing if none is close."""
    close = " or ".join(f"'{other}'" for other in closest_names(name, known))
    return f" (did you mean {close}?)" if close else ""


def misspelt(name: str, known: Iterable[str]) -> str:
    """Return the part of a message that quotes an unknown name, suggests the closest known ones and lists all."""
    names = list(known)
    return f"'{name}'{did_you_mean(name, names)}; expected one of {', '.join(names)}"


def typing_errors(one: str, other: str) -> int:
    """Return the least number of letters missing, added, replaced or swapped with the next between two strings.

    It is the optimal string alignment distance, filled in row by row.
    """
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, counterpart in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != counterpart))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == counterpart:
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
    return row[-1]


def _abbreviates(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= LEAST_BEGINNING and long.startswith(short)
