"""The names of the objects of 83 classes: those that are always true, and those that may be."""

from dataclasses import dataclass
from functools import cache

from refvid.world.language.words import CLOTHS, COLOUR_WORDS, CONTENT_WORDS, NOUNS, PATTERN_WORDS, words_in

# Class: names, the commonest first | further words that are true of all its objects | words that may be true of some.
_TABLE = """
person: person | human | man woman guy lady boy girl kid child baby adult toddler infant gentleman dude player surfer
    skier snowboarder skateboarder rider batter pitcher catcher mother father bride groom driver cyclist officer people
bicycle: bicycle/bike | vehicle | cycle
car: car | vehicle automobile | truck van taxi cab suv sedan jeep minivan pickup limousine
motorcycle: motorcycle/motorbike | vehicle | bike scooter moped cycle bicycle
airplane: airplane/plane/aeroplane | aircraft | jet airliner vehicle
bus: bus | vehicle | coach van trolley truck car
train: train | | locomotive tram engine trolley subway vehicle bus
truck: truck | vehicle | lorry van car pickup fire firetruck engine trailer fire_truck fire_engine bus
boat: boat | vessel | ship sailboat canoe kayak ferry yacht dinghy raft vehicle surfboard
traffic light: traffic_light/stoplight/traffic_signal | signal light | lamp sign
fire hydrant: fire_hydrant/hydrant | |
stop sign: stop_sign | sign |
parking meter: parking_meter/meter | | machine
bench: bench | seat furniture | chair
bird: bird | animal | duck goose pigeon seagull parrot owl chicken penguin swan eagle crow pet
cat: cat/kitty | animal pet feline | kitten tabby
dog: dog | animal pet canine | puppy pup doggy hound bulldog
horse: horse | animal | pony foal mare stallion donkey
sheep: sheep | animal | lamb goat ram ewe cow
cow: cow | animal | bull calf ox cattle
elephant: elephant | animal | calf
bear: bear | animal | cub polar grizzly
zebra: zebra | animal | horse
giraffe: giraffe | animal |
backpack: backpack/rucksack | bag | pack luggage handbag purse suitcase
umbrella: umbrella | | parasol
handbag: handbag/purse | bag | pouch luggage suitcase backpack
tie: tie/necktie | | bow scarf
suitcase: suitcase | bag luggage | case trunk briefcase backpack handbag
frisbee: frisbee | disc | toy
skis: skis | | ski snowboard
snowboard: snowboard | board | surfboard skateboard skis
sports ball: ball | | sports tennis soccer football baseball basketball
kite: kite | | parachute sail
baseball bat: baseball_bat/bat | |
baseball glove: baseball_glove/glove/mitt | |
skateboard: skateboard | board | longboard surfboard snowboard
surfboard: surfboard | board | boat snowboard skateboard
tennis racket: tennis_racket/racket | | racquet
bottle: bottle | container | wine beer water jar vase
wine glass: wine_glass/glass | | cup goblet drink
cup: cup | | mug glass drink coffee container bowl wine_glass
fork: fork | utensil | cutlery
knife: knife | utensil | cutlery
spoon: spoon | utensil | ladle cutlery
bowl: bowl | dish | cup container plate
banana: banana | fruit food |
apple: apple | fruit food | orange
sandwich: sandwich | food | burger bread hot_dog hotdog
orange: orange | fruit food | tangerine apple
broccoli: broccoli | vegetable food |
carrot: carrot | vegetable food |
hot dog: hot_dog/hotdog | food | hot dog sausage bun sandwich
pizza: pizza | food | slice pie
donut: donut/doughnut | food | bagel pastry cake
cake: cake | food dessert | cupcake pie donut doughnut
chair: chair | seat furniture | armchair stool couch sofa bench
couch: couch/sofa | seat furniture | chair bed loveseat bench
potted plant: potted_plant/plant | | flower tree pot vase
bed: bed | furniture | couch sofa mattress
dining table: table/dining_table | furniture | dining desk counter
toilet: toilet | | seat
tv: tv/television | screen | monitor computer laptop
laptop: laptop | computer | screen notebook keyboard tv television
mouse: mouse/computer_mouse | |
remote: remote/remote_control | | controller phone cell_phone
keyboard: keyboard | | laptop computer piano
cell phone: cell_phone/phone/cellphone/mobile_phone | | smartphone mobile remote camera
microwave: microwave | appliance | oven
oven: oven | appliance | stove microwave
toaster: toaster | appliance | oven
sink: sink | | basin faucet
refrigerator: refrigerator/fridge | appliance | freezer
book: book | | notebook magazine
clock: clock | | watch
vase: vase | | pot jar bottle cup glass container bowl
scissors: scissors | |
teddy bear: teddy_bear/teddy | toy | bear stuffed animal doll dog
hair drier: hair_dryer/hairdryer/blow_dryer | | drier
toothbrush: toothbrush | | brush
fire truck: fire_truck/fire_engine/firetruck | vehicle truck | car engine bus
"""
# Wider words that expressions use too, with their weights. Other wider words are also true of many unlabelled things.
_SAID_BESIDES = {"animal": 0.8, "vehicle": 0.8, "pet": 0.5, "aircraft": 0.6, "human": 0.2, "automobile": 0.4}
# Names that are not used with "a".
WITHOUT_ARTICLE = frozenset({"skis", "scissors", "broccoli"})
# Parts of names that mean something else by themselves.
_PARTS_OF_NAMES = frozenset({"fire", "hot", "cell", "stop", "blow", "computer", "control", "hair", "mobile", "dining"})


@dataclass(frozen=True)
class Entry:
    """The names and words for the objects of a class.

    Attributes:
        names: Names that expressions use, of one or several words, with their weights.
        sure: Names and wider names that are true of all objects of the class.
        perhaps: Names that are true of some of them, or that some people would use.
        words: Single words and names of several words that are true of all of them.
        doubtful: Single words and names of several words that may be true.
    """

    names: dict[str, float]
    sure: frozenset[str]
    perhaps: frozenset[str]
    words: frozenset[str]
    doubtful: frozenset[str]


def _read() -> dict[str, Entry]:
    lexicon = {}
    for line in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, _, rest = line.partition(":")
        first, wider, perhaps = ([word.replace("_", " ") for word in part.split()] for part in rest.split("|"))
        own = first[0].split("/") if len(first) == 1 else " ".join(first).split("/")
        said = {called: 6.0 if index == 0 else 1.3 for index, called in enumerate(own)}
        said |= {called: _SAID_BESIDES[called] for called in wider if called in _SAID_BESIDES}
        parts = {word for called in own if " " in called for word in words_in(called)} & _PARTS_OF_NAMES
        doubtful = {word for called in perhaps for word in words_in(called)} | parts
        words = {word for called in (*own, *wider) for word in words_in(called)}
        lexicon[name] = Entry(
            said,
            frozenset((*own, *wider)),
            frozenset(perhaps) - set(own) - set(wider),
            frozenset((words - doubtful) | {*own, *wider}),
            frozenset((doubtful | {called for called in perhaps if " " in called}) - {*own, *wider}),
        )
    return lexicon


LEXICON: dict[str, Entry] = _read()
ANIMALS = frozenset(name for name, entry in LEXICON.items() if "animal" in entry.sure)

_GARMENT_WORDS = frozenset(word for cloth in CLOTHS.values() for name in cloth.names for word in words_in(name))
COLOUR_TERMS = frozenset(word for words in COLOUR_WORDS.values() for word in words)
_PATTERN_TERMS = frozenset(word for words in PATTERN_WORDS.values() for word in words)
# Words for actions and directions, which a photo does not show.
DEEDS = CONTENT_WORDS - set(NOUNS) - _GARMENT_WORDS - COLOUR_TERMS - _PATTERN_TERMS
_ON_PEOPLE = _GARMENT_WORDS | COLOUR_TERMS | _PATTERN_TERMS | {"hair", "glasses", "sunglasses", "gloves", "watch"}

WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            word
            for entry in LEXICON.values()
            for name in (*entry.sure, *entry.perhaps)
            for word in (*words_in(name), name)
        }
    )
)

# All names, of one or several words.
NAMES = frozenset(name for entry in LEXICON.values() for name in entry.sure | entry.perhaps)


@cache
def doubtful_words(kind: str) -> frozenset[str]:
    """Return the words whose truth does not follow from a class; they include colours only for people."""
    entry = LEXICON[kind]
    more = _ON_PEOPLE if kind == "person" else _PATTERN_TERMS
    return (entry.doubtful | more | DEEDS) - entry.words
