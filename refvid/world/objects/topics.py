"""Claims about an object in a picture, and the topics that they are made for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from refvid.world.language.predicates import Truths
from refvid.world.language.words import MAYBE, NO, YES
from refvid.world.objects.things import Thing


@dataclass(frozen=True)
class Claim:
    """A statement about an object.

    Attributes:
        way: Property by which it distinguishes objects, as in `refvid.world.scene.Reference`.
        slot: Position in the expression: "rank", "ordinal", "size" or "colour" before the noun, or "after" it.
        text: Words of the claim.
        truths: Truth of the claim for every object.
    """

    way: str
    slot: str
    text: str
    truths: Truths


@dataclass(frozen=True)
class Topic:
    """The situation for which a claim is made.

    Attributes:
        things: Objects in the picture, including phantoms.
        target: Index of the object that is meant.
        domain: Indices of the objects, including the target, that the noun and the earlier claims may mean.
        landmarks: Function that returns unambiguous names of objects, without article, and their indices.
    """

    things: Sequence[Thing]
    target: int
    domain: tuple[int, ...]
    landmarks: Callable[[], list[tuple[str, int]]]

    @property
    def rivals(self) -> tuple[int, ...]:
        """Indices of the objects in the domain other than the target."""
        return tuple(index for index in self.domain if index != self.target)

    @property
    def known(self) -> bool:
        """Whether the domain contains no phantom."""
        return not any(self.things[index].phantom for index in self.domain)

    def only_target(self) -> Truths:
        """Return the truths of a claim that is true of the target, false of its rivals and unknown of others."""
        return tuple(
            YES if index == self.target else NO if index in self.domain else MAYBE for index in range(len(self.things))
        )
