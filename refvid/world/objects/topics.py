"""A claim about an object of a picture, and the topic that it is made about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from refvid.world.language.predicates import Truths
from refvid.world.language.words import MAYBE, NO, YES
from refvid.world.objects.things import Thing


@dataclass(frozen=True)
class Claim:
    """A statement.

    Attributes:
        way: What it tells apart by, as in `refvid.world.scene.Reference`.
        slot: Where in a sentence it goes: "rank", "size", "colour", before the noun, or "after".
        text: Words.
        truths: For every object.
    """

    way: str
    slot: str
    text: str
    truths: Truths


@dataclass(frozen=True)
class Topic:
    """What a claim is made about.

    Attributes:
        things: Of the picture.
        target: Index of the object meant.
        domain: Indices of the objects that the noun and what was said before may mean, the target among them.
        landmarks: Names, without article, by which other objects are known, with their indices.
    """

    things: Sequence[Thing]
    target: int
    domain: tuple[int, ...]
    landmarks: Callable[[], list[tuple[str, int]]]

    @property
    def rivals(self) -> tuple[int, ...]:
        """The domain without the target."""
        return tuple(index for index in self.domain if index != self.target)

    @property
    def known(self) -> bool:
        """Whether nothing without a label may be meant."""
        return not any(self.things[index].phantom for index in self.domain)

    def only_target(self) -> Truths:
        """Return that a claim is true of the target, false of its rivals, and unknown of what is not in question."""
        return tuple(
            YES if index == self.target else NO if index in self.domain else MAYBE for index in range(len(self.things))
        )
