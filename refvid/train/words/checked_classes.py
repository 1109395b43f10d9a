"""ImageNet classes of nouns, checked by hand, where those of WordNet are missing or not what people mean."""

_CHECKED = """
cow: ox
cattle: ox, water buffalo, bison
bull: ox, bison
buffalo: water buffalo, bison
cat: tabby, tiger cat, Persian cat, Siamese cat, Egyptian cat
sheep: ram, bighorn
pig: hog, wild boar
elephant: African elephant, Indian elephant, tusker
rabbit: wood rabbit, hare, Angora
chicken: hen, cock
rooster: cock
swan: black swan, goose
deer: impala, gazelle, hartebeest
dolphin: killer whale
seal: sea lion
crane: crane bird, crane
mouse: mouse
car: cab, convertible, sports car, beach wagon, limousine, minivan, jeep, racer, ambulance, police van, Model T, grille
van: minivan, moving van, police van, recreational vehicle, ambulance
truck: garbage truck, pickup, tow truck, trailer truck, fire engine, moving van
bus: school bus, minibus, trolleybus
train: bullet train, passenger car, steam locomotive, electric locomotive, freight car
bike: mountain bike, bicycle-built-for-two, moped, motor scooter
motorcycle: moped, motor scooter
scooter: motor scooter, moped
airplane: airliner, warplane
boat: canoe, speedboat, gondola, lifeboat, fireboat, yawl, catamaran, trimaran
ship: container ship, liner, pirate, aircraft carrier, schooner, wreck, submarine
kayak: canoe
table: dining table, desk, pool table
bed: four-poster, studio couch, crib
television: television, home theater
computer: laptop, notebook, desktop computer, hand-held computer
keyboard: computer keyboard, typewriter keyboard
cup: cup, coffee mug, espresso
mug: coffee mug, cup, beer glass
bottle: beer bottle, pop bottle, water bottle, wine bottle, pill bottle
helmet: crash helmet, football helmet, pickelhaube
shirt: jersey
jacket: lab coat, trench coat
shoe: running shoe, Loafer, sandal, clog
boots: cowboy boot
ball: soccer ball, basketball, baseball, tennis ball, volleyball, rugby ball, golf ball, croquet ball, ping-pong ball
football: soccer ball, rugby ball
bag: backpack, mailbag, purse, plastic bag
handbag: purse
shorts: swimming trunks
skirt: hoopskirt, miniskirt, overskirt
glasses: sunglasses, sunglass
sunglasses: sunglasses, sunglass
mountain: alp, volcano
beach: seashore, sandbar
coast: seashore, promontory
apple: Granny Smith
bread: French loaf, bagel, pretzel
donut: bagel
pepper: bell pepper
mushroom: mushroom, agaric, bolete, hen-of-the-woods, earthstar
house: boathouse, mobile home
window: window screen, window shade
lamp: table lamp, lampshade
light: traffic light, spotlight, table lamp
toilet: toilet seat
sink: washbasin
oven: stove, microwave
refrigerator: refrigerator
fence: chainlink fence, picket fence, worm fence
wall: stone wall
knife: cleaver
gun: assault rifle, revolver, rifle
racket: racket
book: book jacket, comic book
player: ballplayer
stop sign: street sign
wine glass: goblet, red wine
cell phone: cellular telephone
mobile phone: cellular telephone
smartphone: cellular telephone
hot dog: hotdog
hotdog: hotdog
pickup truck: pickup
fire truck: fire engine
police car: police van
race car: racer, sports car
stuffed animal: teddy
teddy bear: teddy
polar bear: ice bear
grizzly bear: brown bear
potted plant: pot
flower pot: pot
sports ball: soccer ball, basketball, baseball, tennis ball, volleyball, rugby ball, golf ball
coffee cup: cup, coffee mug, espresso
remote control: remote control
computer mouse: mouse
computer monitor: monitor, screen, desktop computer
hair dryer: hand blower
blow dryer: hand blower
suitcase: backpack, mailbag
necktie: Windsor tie
tie: Windsor tie, bow tie
sandwich: cheeseburger, hotdog
tv: television, screen, monitor
vase: vase
clock: analog clock, wall clock, digital clock
traffic signal: traffic light
meter: parking meter, odometer
fridge: refrigerator
groom: groom
diver: scuba diver
"""
# Words without classes, because the classifier cannot recognise them or has classes of the same name for other things.
_SILENT = """
person man woman boy girl child baby people human adult male female guy lady kid rider rock tree plant grass water
sky ground road street land top bottom front back side middle center corner end part piece group pair thing object
head hand face hair arm leg foot body eye nose mouth neck shoulder black white red blue green stuff portion space
structure board stick pole paper yellow orange pink purple brown gray grey beige tan gold silver line row spot area
place room floor field picture image photo one two three four first second third left right up down
"""


def _read(text: str) -> dict[str, tuple[str, ...]]:
    rows = (line.split(": ", 1) for line in text.strip().splitlines())
    return {noun: tuple(classes.split(", ")) for noun, classes in rows}


CHECKED = _read(_CHECKED)
SILENT = frozenset(_SILENT.split())
