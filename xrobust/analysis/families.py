"""Groups of related languages: families of Glottolog, as URIEL has them, Indo-European by its branches."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.analysis.uriel import row_of, table

INDO_EUROPEAN = "Indo-European"
"""The one family that is not taken whole: half of the languages of every task here are of it."""


def language_groups(languages: Sequence[str]) -> dict[str, str]:
    """The group of each language, by ISO 639 codes: its branch of Indo-European (Germanic, Italic, Balto-Slavic,
    Indo-Iranian), or else its top-level family.

    A language that is in no family, or that URIEL does not know, is a group of its own, named by its code. Raises
    UserError where `urielplus` is not installed.
    """
    families = table("family_features.npz")
    member = families["data"] == 1
    sizes = member.sum(axis=0)
    found = {}
    for language in languages:
        row = row_of(families, language)
        its = [] if row is None else member[row].nonzero()[0].tolist()
        # Families are nested: the largest is the top one, the next its branch.
        names = [str(families["feats"][i]).removeprefix("F_") for i in sorted(its, key=lambda i: -sizes[i])]
        level = 1 if names[:1] == [INDO_EUROPEAN] and len(names) > 1 else 0
        found[language] = names[level] if names else language
    return found
