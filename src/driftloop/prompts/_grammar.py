"""A grammar of our own that writes candidates for the search: short descriptions of many kinds.

It is made for breadth, not for likelihood: every theme has its own things, places and doings, so
that candidates lie far apart before anything is searched. No text of others is in it.
"""

from __future__ import annotations

import random
import re

RULES: dict[str, str] = {
    "S": """
        {person} {doing} {where}.|{person} {doing} {where}, {light}.|{animal} {moving} {nature}.
        {animal} and {animal} {nature}, {light}.|{thing} on {surface}.
        {thing} beside {thing}, seen from above.|{thing} made of {material}, {light}.
        {building} {nature}, {light}.|{building} {town} {weather}.
        {count} {plural} in a row, each of another colour.|{count} {plural} {where}.
        {close} of {detail}.|{close} of {detail}, {light}.|{dish} on {surface}, {light}.
        {vehicle} {travel}.|{vehicle} {travel} {weather}.|{style} of {thing}.
        {style} of {person} {doing}.|{style} of {building} {weather}.|{abstract}.
        {abstract}, in {colour} and {colour}.|{machine} in {workplace}.
        {person} repairing {machine} in {workplace}.|{crowd} {event}.|{sky} over {land}.
        {sky} over {land}, with {thing} in the foreground.|{myth} {nature}.|{sport}.
        {sport}, {light}.|{science}.|{room} with {thing} and {thing}.
        {room}, {light}, nobody in it.|A sign that says {word}.
        The word {word} written in {material}.|{person} thinking of {thing}.
    """,
    "person": """
        An old woman|A small boy|Two sisters|A tired nurse|A bearded baker|A tall dancer
        A judge in a wig|A girl with braces|A retired boxer|A man in a yellow raincoat
        A choir of monks|A young chemist|Three fishermen|A bride|A clown without make-up
        A shepherd|A diver|A violinist|A bus driver
    """,
    "doing": """
        reading a letter|peeling an orange|laughing at a joke|sharpening a knife|asleep on a chair
        waiting for news|playing chess alone|counting coins|carrying a ladder|feeding pigeons
        drawing a map|tying a shoe|singing|looking for a lost key|washing a dog|mending a net
        writing on a wall
    """,
    "where": """
        in a laundromat|at the edge of a volcano|in an empty theatre|on a rooftop|under a bridge
        in a greenhouse|in a lift|at a border crossing|on a frozen lake|in a library|in a kitchen
        at a petrol station|on a ferry|in a hospital corridor|in a wheat field|in a submarine
    """,
    "light": """
        at dawn|by candlelight|under neon light|in harsh noon sun|in moonlight|lit from below
        in thick fog|through a rainy window|in a red darkroom|under fluorescent tubes|by firelight
    """,
    "animal": """
        A lynx|An octopus|A heron|Seven geese|A tortoise|A sleeping bear|A beetle|A zebra
        A school of sardines|A bat|A hedgehog|A camel|A jellyfish|A rooster|A chameleon|A whale
    """,
    "moving": """
        crossing a road|hiding|climbing|drinking|fighting over food|looking at the camera
        building a nest|leaving tracks|shedding its skin|swimming upwards
    """,
    "nature": """
        in a bamboo forest|on a salt flat|in a mangrove swamp|on a coral reef|in the tundra
        on a dune|beside a waterfall|in a cave|on an iceberg|in a burnt forest|among tulips
        on a cliff
    """,
    "thing": """
        a typewriter|a cracked mirror|an umbrella|a glass of milk|a rusty anchor|a doll
        a pair of scissors|a globe|a saxophone|a wedding cake|a stack of newspapers|an hourglass
        a hammer|a telephone|a birdcage|a chandelier|a single shoe|a bowl of cherries|a chessboard
        a kite|a skull|a toaster
    """,
    "surface": """
        a marble table|wet sand|a map|a hospital bed|a pile of leaves|black velvet|a stone step
        ice|a tiled floor|a car seat|a workbench|moss
    """,
    "material": """
        glass|moss|paper|bread|smoke|copper wire|ice|concrete|wool|bone|light bulbs|sand|chocolate
    """,
    "building": """
        A lighthouse|A mosque|A brutalist tower|A wooden hut|A ruined castle|A power station
        A pagoda|A tent|A water mill|A glass office block|A mud-brick village|A cathedral
        A space station
    """,
    "town": """
        between motorways|in a flooded town|in an old harbour|on a crowded market square
        beside a canal|in a suburb|at the end of a tram line
    """,
    "weather": """
        in a hailstorm|in heavy snow|under a rainbow|in a heat haze|in a sandstorm|in drizzle
        in a gale
    """,
    "count": "Two|Five|Nine|A dozen|A hundred",
    "plural": """
        spoons|chairs|umbrellas|balloons|keys|clocks|suitcases|lemons|bicycles|candles|books|masks
        eggs
    """,
    "close": "A close-up|A microscope picture|An X-ray|A cutaway drawing|A macro photograph",
    "detail": """
        a snowflake|a fly's eye|a circuit board|a fingerprint|rust|a feather|a tooth
        a tree's rings|blood cells|woven cloth|a beehive|a watch's gears|a leaf's veins|a bar code
    """,
    "dish": """
        A plate of oysters|A bowl of ramen|A burnt pizza|A tower of pancakes|A half-eaten apple
        Blue cheese|A roast goose|Sushi|A jar of pickles|An ice cream that melts
    """,
    "vehicle": """
        A steam train|A tractor|A hot-air balloon|A red double-decker bus|A kayak|A cargo ship
        A skateboard|A fighter jet|A horse-drawn cart|A fire engine|A cable car|A wheelchair
    """,
    "travel": """
        crossing a desert|stuck in mud|in a tunnel|on fire|above the clouds|in a parade
        on a narrow bridge|in a traffic jam|at the bottom of the sea|parked in a barn
    """,
    "style": """
        A child's drawing|A woodcut|A mosaic|A blueprint|A watercolour|A stained-glass window
        A comic panel|A charcoal sketch|A cave painting|A postage stamp|An embroidery
        A low-resolution pixel picture
    """,
    "abstract": """
        Concentric circles|Grief|The number zero|A maze without a way out|Static on a screen
        Silence|Parallel lines that seem to bend|The smell of rain|An infinite staircase|Entropy
        A chequered plane|A gradient|Scattered dots|The feeling of being watched
        A knot that cannot be untied
    """,
    "colour": "orange|grey|turquoise|black|pink|olive|violet|white|crimson",
    "machine": """
        A loom|An old computer|A crane|A printing press|A robot arm|A jukebox|A tower clock
        A jet engine|A sewing machine|A slot machine|A telescope
    """,
    "workplace": """
        a factory hall|a garage|a clean room|an attic|a mine|an abandoned fairground
        an operating theatre
    """,
    "crowd": "A crowd|Protesters|Schoolchildren|Soldiers|Tourists|Nuns|Football fans|Clerks",
    "event": """
        at a funeral|dancing in the street|watching an eclipse|queuing for bread
        running from a bull|at an auction|in a swimming pool|posing for a photograph
        throwing tomatoes
    """,
    "sky": """
        A meteor shower|A flock of starlings|Northern lights|A tornado|A double sunset|A blimp
    """,
    "land": """
        rice terraces|a steelworks|a graveyard|a golf course|skyscrapers|a lava field|vineyards
    """,
    "myth": """
        A dragon asleep|A knight without a head|An astronaut on a horse|A mermaid combing her hair
        A giant picking flowers|A ghost doing the dishes|A talking tree|An angel with broken wings
    """,
    "sport": """
        A goalkeeper in mid-air|Two sumo wrestlers|A pole vaulter upside down|A chess boxing match
        A marathon in the rain|An empty tennis court|A rider falling off a horse
        Synchronised swimmers
    """,
    "science": """
        A diagram of the water cycle|The surface of Mars|A black hole|A periodic table
        Cells dividing|A cross-section of the Earth|A rocket launch|A map of an unknown island
        A bar chart|A dinosaur skeleton|Lightning in a bottle|A weather map
        An equation on a blackboard
    """,
    "room": """
        A nursery|A prison cell|A throne room|A bathroom with green tiles|A classroom
        A lecture hall|A wine cellar|A barber's shop|A cockpit|A dentist's waiting room
    """,
    "word": "STOP|LOVE|EXIT|SOLD OUT|TOMORROW|WET PAINT|7|HELP",
}


def write_candidates(count: int, *, words: int, seed: int = 0) -> list[str]:
    """Write different descriptions.

    Args:
        count: How many; fewer come where the grammar has no more that are short enough.
        words: The most words of one.
        seed: Draws them.

    Returns:
        Different texts, in the order they were drawn.
    """
    dice = random.Random(seed)
    choices = {
        symbol: [option.strip() for option in re.split(r"[|\n]", body) if option.strip()]
        for symbol, body in RULES.items()
    }
    found: dict[str, None] = {}
    for _ in range(50 * count):
        if len(found) == count:
            break
        text = re.sub(
            r"\{(\w+)\}",
            lambda match: dice.choice(choices[match[1]]),
            dice.choice(choices["S"]),
        )
        text = _as_sentence(text)
        if len(text.split()) <= words:
            found[text] = None
    return list(found)


def _as_sentence(text: str) -> str:
    """Capitals belong to the beginning, and to words that are all capitals."""
    inside = re.sub(
        r"(?<=[a-z,] )(A|An|The|Two|Three|Five|Seven|Nine)\b", lambda m: m[1].lower(), text
    )
    return inside[0].upper() + inside[1:]
