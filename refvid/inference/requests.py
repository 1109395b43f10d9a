"""What a caller asks a segmenter for: the frames and expressions, checked, and remarks about words of no meaning."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refvid.errors import UsageError
from refvid.model.layers.language import Words
from refvid.model.layers.named_things import doubtful_words, names_nothing
from refvid.video.frame import Pixels

Expressions = str | Sequence[str]
_EXAMPLE = "such as 'man in yellow shirt'"


def list_expressions(expressions: Expressions) -> list[str]:
    """Return one expression or several as a list.

    Raises:
        UsageError: There are none, or one of them is not a string.
    """
    given = [expressions] if isinstance(expressions, str) else expressions
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise UsageError(
            f"the expressions are a {type(given).__name__}; give a string or a list of strings, {_EXAMPLE}"
        )
    if not given:
        raise UsageError(f"no expression given; describe at least one object, {_EXAMPLE}")
    for each in given:
        if not isinstance(each, str):
            raise UsageError(f"an expression is a {type(each).__name__}; each must be a string, {_EXAMPLE}")
    return list(given)


def iterate_frames(frames: object) -> Iterator[object]:
    """Return an iterator over the frames of a clip.

    Raises:
        UsageError: They are a path or nothing to iterate over.
    """
    if isinstance(frames, str | bytes) or hasattr(frames, "__fspath__"):
        raise UsageError(
            f"the frames are {frames!r}; give arrays of pixels, as refvid.read_video returns them, or segment the file "
            "with refvid.segment_video"
        )
    try:
        return iter(frames)  # type: ignore[call-overload, no-any-return]
    except TypeError:
        kind = type(frames).__name__
        raise UsageError(f"the frames are a {kind}; give a list or an array of frames, uint8 RGB [H, W, 3]") from None


def check_frame(frame: object, index: int) -> Pixels:
    """Return a frame as an array after checking that it is uint8 RGB [H, W, 3].

    Args:
        frame: The frame, or what was given for it.
        index: Its number in the clip, from 0.

    Raises:
        UsageError: It is something else.
    """
    pixels = np.asarray(frame)
    if pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8 and pixels.size:
        return pixels if pixels.flags.writeable else pixels.copy()  # PyTorch warns of arrays that are read-only
    raise UsageError(
        f"frame {index} is {pixels.dtype} {list(pixels.shape)}, but a frame must be uint8 RGB [H, W, 3]"
        f"{_remedy(pixels)}"
    )


def _remedy(pixels: NDArray[Any]) -> str:
    """Return what to do about a frame of the wrong kind, as the end of a message."""
    if not pixels.size:
        return " with at least one pixel"
    if pixels.ndim == 2 and pixels.shape[1] in (3, 4):
        return "; for a single frame, give a list of it"
    if pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1):
        return "; repeat a grey frame three times, as np.repeat(frame.reshape(height, width, 1), 3, axis=2) does"
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return "; leave the fourth channel out, as frame[..., :3] does"
    if pixels.ndim == 3 and pixels.shape[0] == 3 and pixels.shape[2] != 3:
        return "; put the channels last, as frame.transpose(1, 2, 0) does"
    if pixels.ndim == 3 and pixels.dtype.kind == "f":
        return "; scale values of 0 to 1 and convert them, as (255 * frame).round().astype(np.uint8) does"
    return ""


def silent_rows(vocabulary: Words, expressions: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of the expressions that name nothing the model could look for; their masks are empty."""
    return tuple(row for row, each in enumerate(expressions) if names_nothing(vocabulary, each))


def remarks(vocabulary: Words, model: str, expressions: Sequence[str]) -> list[str]:
    """Return sentences about words that say nothing to a model, that it guesses or that it does not read.

    Args:
        vocabulary: Vocabulary of the model.
        model: Name of the model.
        expressions: What is segmented.
    """
    said = []
    for expression in expressions:
        doubtful = doubtful_words(vocabulary, expression)
        words = ", ".join(f"'{word}'" for word in doubtful)
        if names_nothing(vocabulary, expression):
            reason = f"the model {model} does not know {words}, and " if doubtful else ""
            rest = "the rest of it" if doubtful else "it"
            said.append(f'nothing is looked for by "{expression}": {reason}{rest} names no thing; its masks are empty')
        elif doubtful:
            said.append(
                f'the model {model} has never seen {words} in "{expression}"; it ignores the meaning of unknown words'
            )
        for word, found in vocabulary.guessed_words(expression).items():
            if word not in doubtful:
                said.append(f"the model {model} reads '{word}' in \"{expression}\" as '{found}'")
        if dropped := vocabulary.dropped_words(expression):
            said.append(
                f'"{expression}" is longer than the {vocabulary.max_words} words that the model reads; '
                f"'{' '.join(dropped)}' is left out"
            )
    return said
