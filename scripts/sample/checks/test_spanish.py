"""Spanish: contractions, gender of articles, adjectives and participles by a table of its own, e before i."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from .sample_files import token_lists

GENDERS = {
    "m": "profesor médico estudiante turista periodista agricultor escritor pintor ingeniero cocinero abogado "
    "conductor "
    "jardinero hombre libro mapa cuadro coche sombrero bolso cuchillo paraguas teléfono ordenador periódico anillo "
    "espejo perro gato caballo conejo pato regalo hospital mercado museo parque restaurante teatro jardín hotel "
    "aeropuerto director vuelo lunes martes miércoles viernes sábado año Banco Parlamento autobús",
    "f": "niña mujer actriz enfermera cantante abuela bicicleta silla mesa lámpara guitarra llave carta caja botella "
    "camisa vaca cabra escuela estación biblioteca cocina fiesta reunión ventana oficina semana mañana casa ayuda "
    "Cruz Unión UNESCO",
}
GENDER = {noun: gender for gender, nouns in GENDERS.items() for noun in nouns.split()}
ARTICLE = (
    dict.fromkeys("el un del al este".split(), "m")
    | dict.fromkeys("la una esta ninguna".split(), "f")
    | {"ningún": "m"}
)
ENDS = {"m": "o", "f": "a"}
ADJECTIVE = re.compile(
    "(?:educad|cansad|famos|viej|nuev|pequeñ|roj|negr|blanc|car|bonit|pesad|pasad|prestad|antigu|próxim)(?P<end>[oa])"
)
ABOUT_A_PERSON = re.compile(
    r"^(?:\w+ , )?(?P<first>[A-Z]\w+)\b(?: [A-Z]\w+)? (?:se quedó .*muy cansad|fue invitad)(?P<end>[oa])"
)
INCLUDED = re.compile(r", incluid(?P<end>[oa]) (?P<first>[A-Z]\w+)")
SPLIT = {("de", "el"), ("a", "el")}


def problems(words: list[str]) -> list[str]:
    found = []
    lower = [word.lower() if i == 0 else word for i, word in enumerate(words)]
    for i, (word, after) in enumerate(pairwise(lower)):
        if (word, after) in SPLIT:
            found.append(f"no contraction: {word} {after}")
        if word in ARTICLE and after in ARTICLE:
            found.append(f"two articles: {word} {after}")
        if word in ARTICLE:
            noun = next((w for w in lower[i + 1 : i + 3] if w in GENDER), None)
            if noun is not None and GENDER[noun] != ARTICLE[word]:
                found.append(f"{word} {noun}")
        if word in GENDER and (match := ADJECTIVE.fullmatch(after)) and match["end"] != ENDS[GENDER[word]]:
            found.append(f"{word} {after}")
        if (match := ADJECTIVE.fullmatch(word)) and after in GENDER and match["end"] != ENDS[GENDER[after]]:
            found.append(f"{word} {after}")
        if word == "y" and re.match("h?i", after.lower()):
            found.append(f"{word} {after}")
        if word == "prestado" and lower[i + 1] == "una":
            found.append("prestado una")
        if word == "prestada" and lower[i + 1] == "un":
            found.append("prestada un")
    # Of the sample's names, those of women and no others end in -a.
    if (match := ABOUT_A_PERSON.match(" ".join(words))) and (match["end"] == "a") != match["first"].endswith("a"):
        found.append(f"{match['first']} ... -{match['end']}")
    if (match := INCLUDED.search(" ".join(words))) and (match["end"] == "a") != match["first"].endswith("a"):
        found.append(f"incluid{match['end']} {match['first']}")
    if (words[-1] == "?") != ("¿" in words) or (words[-1] == "!") != ("¡" in words):
        found.append("an opening mark is missing")
    return found


def test_the_sample_has_no_such_error() -> None:
    assert [(" ".join(words), errors) for words in token_lists("es") if (errors := problems(words))] == []


def test_the_checks_look_at_something() -> None:
    sentences = [" ".join(words) for words in token_lists("es")]
    assert sum(ABOUT_A_PERSON.match(sentence) is not None for sentence in sentences) > 20
    assert sum(" del " in sentence for sentence in sentences) > 20


@pytest.mark.parametrize(
    "sentence",
    [
        "La director de el museo llegó .",
        "El mujer compró un libro .",
        "Anna encontró una mesa blanco .",
        "Anna tomó prestado una silla de Max .",
        "Anna se quedó en casa ayer porque estaba muy cansado .",
        "Todos estuvieron en la reunión ayer , incluido Anna .",
        "Max envió una carta a el hotel .",
        "Max e Anna vieron España y Italia .",
        "El la casa es blanca .",
        "Sabes que Max está en Italia ?",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence.split())
