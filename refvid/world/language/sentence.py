"""The composition of a noun and claims into an English sentence."""

import numpy as np

from refvid.world.language.claims import PEOPLE, Claim, pick, weigh, with_article

_FRONT = ("size", "rank", "gait", "pattern", "colour")


def sentence(
    rng: np.random.Generator, noun: str, kind: str, claims: dict[str, Claim], *, landmark: bool = False
) -> str:
    """Return a noun and its claims as a sentence.

    Args:
        rng: Generator for the choice of wording.
        noun: Noun for the actor.
        kind: Kind of the actor.
        claims: Claims by slot, at most one per slot.
        landmark: Whether the result is embedded in another sentence, so that it has an article and no verb of its own.
    """
    texts = {slot: claim.text for slot, claim in claims.items()}
    noun_phrase = _noun_phrase(rng, noun, texts, claims, landmark)
    who = "who" if kind in PEOPLE and rng.random() < 0.75 else "that"
    clothes = _clothes(rng, texts, who)
    verb = _verb(rng, texts, claims)
    place = texts.get("place") or texts.get("relation") or texts.get("side relation") or ""
    denial = next((text for slot, text in texts.items() if slot.startswith("not ")), "")
    parts = [noun_phrase]
    if "ordinal" in texts:
        parts += [clothes, texts["ordinal"].split("|")[1]]
    else:
        parts.append(clothes)
    if verb and "place" in texts and "direction" in texts:  # avoid "moving to the right on the left"
        parts.append(place)
        place = ""
    if verb:
        present = claims["action"].present if "action" in claims and verb.startswith(claims["action"].text) else ""
        parts.append(_linked(rng, verb, present, claims["action"].text if present else "", who, clothes, denial != ""))
        parts.append(place)
    elif place:
        early = denial or (clothes and rng.random() < 0.3)
        link = "" if early else weigh(rng, {"": 85, f"{who} is": 10, "is": 6})
        parts.append(f"{link} {place}".strip())
    parts.append(denial)
    text = " ".join(part for part in parts if part)
    return text if landmark else _cased(rng, text)


def _noun_phrase(
    rng: np.random.Generator, noun: str, texts: dict[str, str], claims: dict[str, Claim], landmark: bool
) -> str:
    words = [texts[slot] for slot in _FRONT if slot in texts]
    definite = "ordinal" in texts or "rank" in texts or ("size" in texts and texts["size"].endswith(("er", "est")))
    if "ordinal" in texts:
        words.insert(0, texts["ordinal"].split("|")[0])
    if not words and not landmark and "action" in texts and rng.random() < 0.12:
        others = set(claims) & {"direction", "pace", "tail"}
        if not others:
            words.append(texts.pop("action"))
    words.append(noun)
    articles: dict[str, float] = {"the": 50, "a": 22, "": 33}
    if definite:
        articles = {"the": 75, "": 25}
    elif landmark:
        articles = {"the": 85, "a": 12}
    return with_article(weigh(rng, articles), " ".join(words))


def _clothes(rng: np.random.Generator, texts: dict[str, str], who: str) -> str:
    """Return the clothes as a phrase: "in yellow", "wearing a red shirt and blue jeans with a bag"."""
    body = [texts[slot] for slot in ("worn top", "worn dress", "worn lower") if slot in texts]
    hung = [texts[slot] for slot in ("worn hat", "worn shoes") if slot in texts]
    rng_order = body + hung if rng.random() < 0.7 else hung + body
    text = ""
    if "clothes" in texts:
        words: dict[str, float] = {
            "in": 8,
            "dressed in": 2,
            "wearing": 2,
            f"{who} is in": 0.5,
            f"{who} is wearing": 0.5,
        }
        text = f"{weigh(rng, words)} {texts['clothes']}"
        if hung:
            text += f" {pick(rng, ('with', 'and'))} {' and '.join(hung)}"
    elif rng_order:
        words = {"in": 6, "with": 2 if body else 5, "wearing": 4, f"{who} is wearing": 1, f"{who} wears": 0.4}
        if body:
            words |= {"dressed in": 0.8}
        link = weigh(rng, words)
        last = "and"
        if len(rng_order) > 1 and link != "with" and rng_order[-1] in hung:
            last = pick(rng, ("and", "with"))
        text = f"{link} {f' {last} '.join(rng_order)}"
    if "worn bag" in texts:
        joint = (
            ("with", "carrying") if text else ("with", "with", "carrying", "who has" if who == "who" else "that has")
        )
        text = f"{text} {pick(rng, joint)} {texts['worn bag']}".strip()
    return text


def _verb(rng: np.random.Generator, texts: dict[str, str], claims: dict[str, Claim]) -> str:
    """Return the action with direction and pace as a phrase, the verb as a participle."""
    if "still" in texts:
        return texts["still"]
    if "facing" in texts and "action" not in texts:
        return texts["facing"]
    path, pace = texts.get("direction", ""), texts.get("pace", "")
    if "action" in texts:
        verb = texts["action"]
    elif path:
        verb = weigh(rng, {"moving": 5, "going": 3, "heading": 0.7 if path.split()[0] != "from" else 0})
    elif pace:
        verb = "moving"
    else:
        return ""
    words = [verb, path or texts.get("tail", "")]
    if pace:
        early = pace == "slowly" and rng.random() < 0.35
        words.insert(0 if early else pick(rng, (1, 2)) if path else 1, pace)
    return " ".join(word for word in words if word)


def _linked(
    rng: np.random.Generator, verb: str, present: str, participle: str, who: str, clothes: str, denied: bool
) -> str:
    """Return a verb phrase joined to its subject: "walking", "is walking", "who is walking", "walks"."""
    links: dict[str, float] = {"": 50, "is": 0 if denied else 32, f"{who} is": 1 if denied else 14}
    if f"{who} " in clothes:  # one relative clause is enough
        links = {"is": 1, "and is": 1}
    elif present and not denied:
        links |= {"present": 3, f"{who} present": 2}
    link = weigh(rng, links)
    if "present" in link:
        phrase = present + verb.removeprefix(participle)
        return f"{who} {phrase}" if link != "present" else phrase
    return f"{link} {verb}".strip()


def _cased(rng: np.random.Generator, text: str) -> str:
    mark = rng.random()
    if mark < 0.1:
        return text[0].upper() + text[1:]
    return " ".join(word[0].upper() + word[1:] for word in text.split()) if mark < 0.13 else text
