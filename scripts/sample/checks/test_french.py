"""French: contractions, elision, gender of articles, adjectives and participles by a table of its own."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from .sample_files import token_lists

GENDERS = {
    "m": "professeur médecin étudiant touriste journaliste agriculteur écrivain peintre ingénieur cuisinier avocat "
    "chauffeur jardinier homme livre tableau vélo chapeau sac couteau parapluie téléphone ordinateur journal miroir "
    "chien chat cheval lapin canard cadeau hôpital marché musée parc restaurant théâtre jardin hôtel aéroport "
    "directeur vol bureau bus matin Japon Portugal Canada Parlement",
    "f": "fille femme actrice infirmière chanteuse grand-mère carte voiture chaise table lampe guitare clé bague "
    "lettre "
    "boîte bouteille chemise vache chèvre école gare bibliothèque cuisine fête réunion fenêtre semaine maison aide "
    "année Croix-Rouge Union Banque UNESCO",
}
GENDER = {noun: gender for gender, nouns in GENDERS.items() for noun in nouns.split()}
ARTICLE = dict.fromkeys("le un du au ce".split(), "m") | dict.fromkeys("la une cette".split(), "f")
FEMININE = {
    "poli": "polie", "fatigué": "fatiguée", "joyeux": "joyeuse", "vieux": "vieille", "vieil": "vieille",
    "nouveau": "nouvelle", "nouvel": "nouvelle", "petit": "petite", "grand": "grande", "bleu": "bleue", "noir":
    "noire",
    "blanc": "blanche", "cher": "chère", "beau": "belle", "bel": "belle", "lourd": "lourde", "prochain": "prochaine",
    "dernier": "dernière",
}  # fmt: skip
ADJECTIVE = dict.fromkeys(FEMININE, "m") | dict.fromkeys(FEMININE.values(), "f")
BEFORE = {
    "vieux",
    "vieil",
    "vieille",
    "nouveau",
    "nouvel",
    "nouvelle",
    "petit",
    "petite",
    "grand",
    "grande",
    "beau",
    "bel",
    "belle",
    "jeune",
}
BEFORE_VOWEL = {"vieux": "vieil", "nouveau": "nouvel", "beau": "bel"}
SPLIT = {("de", "le"), ("à", "le"), ("de", "les"), ("à", "les")}
MUTE_H = ("hôtel", "hôpital", "homme", "heure", "habite", "hier")
BY_ETRE = re.compile(
    r"^(?:[\w ]+ , )?(?P<first>[A-Z]\w+)(?: [A-Z]\w+)?(?: , qui| n'| ne)? "
    r"(?:est|a été|n' est pas) "
    r"(?P<participle>né|née|arrivé|arrivée|allé|allée|resté|restée|venu|venue|invité|invitée)\b"
)


def vowel(word: str) -> bool:
    return word[0].lower() in "aeiouâàéèêëîïôöùûœ" or word.startswith(MUTE_H)


def problems(words: list[str]) -> list[str]:
    found = []
    lower = [word.lower() if i == 0 else word for i, word in enumerate(words)]
    for i, (word, after) in enumerate(pairwise(lower)):
        if (word, after) in SPLIT:
            found.append(f"no contraction: {word} {after}")
        if word in ("le", "la", "de", "que", "ne", "se", "je") and vowel(after):
            found.append(f"no elision: {word} {after}")
        if word in ("l'", "d'", "qu'", "n'") and not vowel(after):
            found.append(f"elision before a consonant: {word} {after}")
        if word in ARTICLE and after in ARTICLE:
            found.append(f"two articles: {word} {after}")
        if word in ARTICLE:
            noun = next((w for w in lower[i + 1 : i + 3] if w in GENDER), None)
            if noun is not None and GENDER[noun] != ARTICLE[word]:
                found.append(f"{word} {noun}")
        noun, adjective = (after, word) if word in BEFORE else (word, after)
        if noun in GENDER and adjective in ADJECTIVE and after != "," and GENDER[noun] != ADJECTIVE[adjective]:
            found.append(f"{word} {after}")
        if word in BEFORE_VOWEL and vowel(after):
            found.append(f"{word} {after}")
    # Of the sample's names, those of women and no others end in -a.
    match = BY_ETRE.match(" ".join(words))
    if match and match["participle"].endswith("e") != match["first"].endswith("a"):
        found.append(f"{match['first']} ... {match['participle']}")
    return found


def test_the_sample_has_no_such_error() -> None:
    assert [(" ".join(words), errors) for words in token_lists("fr") if (errors := problems(words))] == []


def test_the_checks_look_at_something() -> None:
    sentences = [" ".join(words) for words in token_lists("fr")]
    assert sum(BY_ETRE.match(sentence) is not None for sentence in sentences) > 100
    assert any(" du " in s for s in sentences) and any(" l' " in s or "l'" in s for s in sentences)


@pytest.mark.parametrize(
    "sentence",
    [
        "Le directeur de le musée est là .",
        "Max est allé à le marché .",
        "Le hôtel de Anna est grand .",
        "La livre est là .",
        "Anna a trouvé une table blanc .",
        "Anna a trouvé un nouveau ordinateur .",
        "Anna est né à Paris .",
        "Max est restée à la maison hier .",
        "Max a vu l' musée .",
        "Le un vélo est là .",
        "Max a trouvé une petit table .",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence.split())
