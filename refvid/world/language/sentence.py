"""Puts a noun and claims into the order of an English sentence."""

import numpy as np

from refvid.world.language.claims import PEOPLE, Claim, pick, weigh, with_article

_FRONT = ("size", "rank", "gait", "pattern", "colour")


def sentence(
    rng: np.random.Generator, noun: str, kind: str, claims: dict[str, Claim], *, landmark: bool = False
) -> str:
    """Say a noun with claims.

    Args:
        rng: Chooses between ways to say the same.
        noun: For the actor.
        kind: Of the actor.
        claims: By slot, at most one a slot.
        landmark: Whether it is part of another sentence, so that it has an article and no verb of its own.
    """
    said = {slot: claim.text for slot, claim in claims.items()}
    noun_phrase = _noun_phrase(rng, noun, said, claims, landmark)
    who = "who" if kind in PEOPLE and rng.random() < 0.75 else "that"
    clothes = _clothes(rng, said, who)
    verb = _verb(rng, said, claims)
    place = said.get("place") or said.get("relation") or said.get("side relation") or ""
    denial = next((text for slot, text in said.items() if slot.startswith("not ")), "")
    parts = [noun_phrase]
    if "ordinal" in said:
        parts += [clothes, said["ordinal"].split("|")[1]]
    else:
        parts.append(clothes)
    if verb and "place" in said and "direction" in said:  # not "moving to the right on the left"
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
    rng: np.random.Generator, noun: str, said: dict[str, str], claims: dict[str, Claim], landmark: bool
) -> str:
    words = [said[slot] for slot in _FRONT if slot in said]
    definite = "ordinal" in said or "rank" in said or ("size" in said and said["size"].endswith(("er", "est")))
    if "ordinal" in said:
        words.insert(0, said["ordinal"].split("|")[0])
    if not words and not landmark and "action" in said and rng.random() < 0.12:
        others = set(claims) & {"direction", "pace", "tail"}
        if not others:
            words.append(said.pop("action"))
    words.append(noun)
    articles: dict[str, float] = {"the": 50, "a": 22, "": 33}
    if definite:
        articles = {"the": 75, "": 25}
    elif landmark:
        articles = {"the": 85, "a": 12}
    return with_article(weigh(rng, articles), " ".join(words))


def _clothes(rng: np.random.Generator, said: dict[str, str], who: str) -> str:
    """Say clothes: "in yellow", "wearing a red shirt and blue jeans with a bag"."""
    body = [said[slot] for slot in ("worn top", "worn dress", "worn lower") if slot in said]
    hung = [said[slot] for slot in ("worn hat", "worn shoes") if slot in said]
    rng_order = body + hung if rng.random() < 0.7 else hung + body
    text = ""
    if "clothes" in said:
        words: dict[str, float] = {
            "in": 8,
            "dressed in": 2,
            "wearing": 2,
            f"{who} is in": 0.5,
            f"{who} is wearing": 0.5,
        }
        text = f"{weigh(rng, words)} {said['clothes']}"
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
    if "worn bag" in said:
        joint = (
            ("with", "carrying") if text else ("with", "with", "carrying", "who has" if who == "who" else "that has")
        )
        text = f"{text} {pick(rng, joint)} {said['worn bag']}".strip()
    return text


def _verb(rng: np.random.Generator, said: dict[str, str], claims: dict[str, Claim]) -> str:
    """Say what is done, where to and how fast, with the verb as a participle."""
    if "still" in said:
        return said["still"]
    if "facing" in said and "action" not in said:
        return said["facing"]
    path, pace = said.get("direction", ""), said.get("pace", "")
    if "action" in said:
        verb = said["action"]
    elif path:
        verb = weigh(rng, {"moving": 5, "going": 3, "heading": 0.7 if path.split()[0] != "from" else 0})
    elif pace:
        verb = "moving"
    else:
        return ""
    words = [verb, path or said.get("tail", "")]
    if pace:
        early = pace == "slowly" and rng.random() < 0.35
        words.insert(0 if early else pick(rng, (1, 2)) if path else 1, pace)
    return " ".join(word for word in words if word)


def _linked(
    rng: np.random.Generator, verb: str, present: str, participle: str, who: str, clothes: str, denied: bool
) -> str:
    """Join a verb phrase to its subject: "walking", "is walking", "who is walking", "walks"."""
    links: dict[str, float] = {"": 50, "is": 0 if denied else 32, f"{who} is": 1 if denied else 14}
    if f"{who} " in clothes:  # one relative clause is enough
        links = {"is": 1, "and is": 1}
    elif present and not denied:
        links |= {"present": 3, f"{who} present": 2}
    link = weigh(rng, links)
    if "present" in link:
        said = present + verb.removeprefix(participle)
        return f"{who} {said}" if link != "present" else said
    return f"{link} {verb}".strip()


def _cased(rng: np.random.Generator, text: str) -> str:
    mark = rng.random()
    if mark < 0.1:
        return text[0].upper() + text[1:]
    return " ".join(word[0].upper() + word[1:] for word in text.split()) if mark < 0.13 else text
