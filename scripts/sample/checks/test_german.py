"""German: articles, adjectives and nouns agree by a table of their own; verbs stand second or last; contractions."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from .sample_files import token_lists

GENDERS = {
    "m": "Lehrer Arzt Student Tourist Journalist Bauer Schriftsteller Maler Ingenieur Koch Anwalt Fahrer Gärtner Mann "
    "Stuhl Tisch Hut Regenschirm Schlüssel Computer Ring Brief Spiegel Hund Park Markt Bahnhof Garten Flughafen Bus "
    "Leiter Flug Montag Dienstag Mittwoch Freitag Samstag Mai August",
    "f": "Frau Schauspielerin Krankenschwester Sängerin Großmutter Karte Lampe Tasche Gitarre Zeitung Kiste Flasche "
    "Katze Kuh Ente Ziege Schule Bibliothek Küche Sitzung Feier Weltbank UNESCO",
    "n": "Mädchen Buch Gemälde Fahrrad Auto Messer Telefon Hemd Pferd Kaninchen Krankenhaus Museum Restaurant Theater "
    "Hotel Büro Fenster Jahr Geschenk Flugzeug Parlament Kreuz",
}
GENDER = {noun: gender for gender, nouns in GENDERS.items() for noun in nouns.split()}
WEAK_NOUNS = {"Studenten": "Student", "Touristen": "Tourist", "Journalisten": "Journalist", "Bauern": "Bauer"}
# article: gender -> ending of an adjective between it and the noun
AGREE = {
    "der": {"m": "e", "f": "en"}, "die": {"f": "e"}, "das": {"n": "e"}, "den": {"m": "en"}, "dem": {"m": "en",
    "n": "en"},
    "ein": {"m": "er", "n": "es"}, "eine": {"f": "e"}, "einen": {"m": "en"}, "einem": {"m": "en", "n": "en"},
    "einer": {"f": "en"}, "kein": {"m": "er", "n": "es"}, "keine": {"f": "e"}, "keinen": {"m": "en"},
    "im": {"m": "en", "n": "en"}, "am": {"m": "en", "n": "en"}, "vom": {"m": "en", "n": "en"},
    "zur": {"f": "en"}, "diesen": {"m": "en"},
}  # fmt: skip
GOVERNS = {word: {"dem", "der", "einem", "einer"} for word in "von aus mit zu bei vor nach".split()} | {
    "für": {"den", "die", "das", "einen", "eine", "ein"},
    "an": {"den", "die", "das", "einen", "eine", "ein"},  # to whom; where is am or an der
    "in": {"der", "einem", "einer"},  # where; in dem is im
    "auf": {"dem", "der", "den"},  # on the table, wait for the bus
}
SPLIT = {("in", "dem"), ("an", "dem"), ("zu", "dem"), ("zu", "der"), ("von", "dem"), ("bei", "dem")}
FINITE = set(
    "hat ist war wurde wird kam las fand wohnt arbeitet arbeitete sagt braucht dauert steht trinkt nahm wiegt schickte "
    "reiste wollte "
    "sucht zog besucht waren kamen liegen wollen warten hast sind Weißt schick blieb lag ging".split()
)
TIME = r"Gestern|Heute Morgen|Letzte Woche|Letztes Jahr|Nächste Woche|Am \w+|Im Jahr \d+|Im \w+|\d{4}"
NAME = r"[A-Z]\w+(?: (?:de )?[A-Z]\w+)?"
NOUN_PHRASE = (
    r"(?:Der|Die|Das) (?:[a-zäöüß]+ )?[A-ZÄÖÜ]\w+(?: Bank| Union| Kreuz| Parlament)?(?: von [A-Z]\w+(?: [A-Z]\w+)?)?"
)
COUNT = r"(?:Zwei|Drei|Vier|Fünf|Sechs|Sieben|Acht|Neun) \w+ und \w+ \w+"
FIRST = re.compile(
    rf"(?:{TIME}|Aus {NAME}|Auf dem Tisch|{COUNT}|Alle außer {NAME}|Alle|Viele|Der Flug von {NAME} nach {NAME}|"
    rf"{NOUN_PHRASE}|{NAME})(?:(?: und| ,) (?:der |die |das |Das |Die )?[A-ZÄÖÜ]\w*(?: [A-ZÄÖÜ]\w*)*)*(?: ,.*? "
    rf",)? (\S+)"
)
SUBORDINATE = re.compile(r", (?:weil|dass|obwohl|der|die|das(?= vo[nm])) (?P<clause>[^,.?]+?) (?=[,.?])")
PARTICIPLE = re.compile(
    r"(?:ge\w+(?:t|en)|\w+ge\w+(?:t|en)|verkauft|bekommen|verloren|gewonnen|eröffnet|studiert|vergessen)$"
)


def problems(words: list[str]) -> list[str]:
    return [*agreement(words), *contractions(words), *government(words), *word_order(" ".join(words))]


def government(words: list[str]) -> list[str]:
    """Prepositions and the articles after them."""
    lower = [word.lower() for word in words]
    return [
        f"{a} {b}"
        for a, b in pairwise(lower)
        if a in GOVERNS and re.fullmatch("d(?:er|ie|as|en|em)|eine?[nmr]?", b) and b not in GOVERNS[a]
    ]


def agreement(words: list[str]) -> list[str]:
    found = []
    for i, word in enumerate(words):
        article = word[0].lower() + word[1:]
        relative_or_plural = article in ("der", "die", "das") and i and words[i - 1] in (",", "%")
        if article not in AGREE or relative_or_plural:
            continue
        rest = words[i + 1 : i + 3]
        adjective = (
            rest.pop(0) if rest and len(rest) > 1 and (rest[0].islower() or rest[1] in ("Union", "Kreuz")) else ""
        )
        noun = rest[0] if rest else ""
        if noun == "Parlament" or (rest[1:] and rest[1] == "Parlament"):
            continue
        oblique = noun in WEAK_NOUNS
        gender = GENDER.get(WEAK_NOUNS.get(noun, noun))
        if gender is None:
            continue
        ending = AGREE[article].get(gender)
        if ending is None or (adjective and re.fullmatch(rf"\w+?(?<!e){ending}", adjective) is None):
            found.append(f"{article} {adjective} {noun}")
        if gender == "m" and article == "ein":
            found.append(f"an indefinite masculine noun is an object here: ein {noun}")
        if oblique != (article in ("den", "dem", "einen", "einem", "vom")) and noun in {
            *WEAK_NOUNS,
            *WEAK_NOUNS.values(),
        }:
            found.append(f"weak noun: {article} {noun}")
    return found


def contractions(words: list[str]) -> list[str]:
    lower = [word.lower() for word in words]
    return [f"{a} {b}" for a, b in pairwise(lower) if (a, b) in SPLIT]


def word_order(sentence: str) -> list[str]:
    """Verb second in statements, last in subordinate clauses, participle last after hat, ist, wurde."""
    found = []
    if sentence.endswith(".") and not sentence.startswith(("Als ", "Bitte")):
        match = FIRST.match(sentence)
        if match is None or match[1] not in FINITE:
            found.append(f"the second place: {match[1] if match else sentence}")
    for match in SUBORDINATE.finditer(sentence):
        clause = match["clause"].split(" als ")[0].split()
        if clause[-1] not in FINITE:
            found.append(f"the last place of a clause: {match['clause']}")
    without_relative = re.sub(r" , (?:der|die|das) .*? ,", "", sentence.rstrip(" .?!"))
    main = re.split(r" , | als | und kam", without_relative)[0].split()
    participles = [word for word in main if PARTICIPLE.fullmatch(word)]
    two_part = {"hat", "ist", "wurde"} & set(main) and "und" not in main
    if two_part and participles and not PARTICIPLE.fullmatch(main[-1]):
        found.append(f"the participle is not last: {' '.join(main)}")
    return found


def test_the_sample_has_no_such_error() -> None:
    assert [(" ".join(words), errors) for words in token_lists("de") if (errors := problems(words))] == []


def test_the_checks_look_at_something() -> None:
    seen = {word.lower() for words in token_lists("de") for word in words}
    assert {
        "der",
        "die",
        "das",
        "den",
        "dem",
        "einen",
        "eine",
        "ein",
        "keine",
        "keinen",
        "kein",
        "im",
        "am",
        "zur",
    } <= seen


@pytest.mark.parametrize(
    "sentence",
    [
        "Der alte Frau fand im Hotel einen Hut .",
        "Die Frau fand im Hotel einen blaue Hut .",
        "Die Frau fand im Hotel ein Hut .",
        "Die Frau fand im Hotel ein kleine Buch .",
        "Oh , Max , hast du den Student gesehen ?",
        "Anna hat in dem Hotel gegen Max gewonnen .",
        "Max wohnt in die Türkei .",
        "Max arbeitet für der Weltbank .",
        "Anna kommt aus die Türkei .",
        "Gestern Anna kam vor Max an .",
        "Anna sagt , dass Rom ist angenehmer als Paris .",
        "Anna hat gekauft gestern eine Lampe .",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence.split())
