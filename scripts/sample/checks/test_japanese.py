"""Japanese: particles do not meet, counters by a table of their own, adjectives before nouns, verbs last, no "
"spaces."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from .sample_files import tagged, unspaced

COUNTERS = {
    "本": "冊", "地図": "枚", "絵": "枚", "自転車": "台", "車": "台", "椅子": "脚", "テーブル": "台", "ランプ": "台",
    "帽子": "個", "バッグ": "個", "ギター": "本", "ナイフ": "本", "傘": "本", "鍵": "本", "電話": "台",
    "コンピューター": "台", "新聞": "部", "指輪": "個", "手紙": "通", "箱": "個", "瓶": "本", "鏡": "枚",
    "シャツ": "枚",
    "犬": "匹", "猫": "匹", "馬": "頭", "牛": "頭", "ウサギ": "匹", "アヒル": "羽", "ヤギ": "頭", "リンゴ": "個",
    "梨": "個", "オレンジ": "個", "バナナ": "本", "ケーキ": "個", "卵": "個",
}  # fmt: skip
COUNTED = re.compile(
    rf"[二三四五六七八九](?P<counter>\w)の(?P<noun>{'|'.join(sorted(COUNTERS, key=len, reverse=True))})"
)
PARTICLES = {"は", "が", "を", "に", "で", "の", "と", "へ", "から", "より", "まで"}
TOGETHER = {("に", "は"), ("へ", "の"), ("まで", "の"), ("で", "は")}  # には, への, までの
SENTENCE_END = re.compile(r"(?:[たるだないうすむぶくぐつぬい]|か|ください)。$")


def problems(sentence: str) -> list[str]:
    found = [match[0] for match in COUNTED.finditer(sentence) if COUNTERS[match["noun"]] != match["counter"]]
    if re.search(r"\s", sentence):
        found.append("a space")
    if re.search(r"[A-Za-z,.?!，]", sentence) or sentence[-1] != "。":
        found.append("letters or punctuation of another script")
    if re.search(r"をを|はは|がが|にに|のの|へへ|はが|がは|をは|はを|をが|(?<!こ)とを|いな[^いか]|はに、", sentence):
        found.append("particles that do not meet, or な after an adjective in -い")
    if sentence.count("を") > 1 and not re.search("、|忘れ|することが", sentence):
        found.append("two objects of one verb")
    if not SENTENCE_END.search(sentence):
        found.append("no verb at the end")
    return found


def meeting(words: list[tuple[str, str]]) -> list[str]:
    """Particles that follow one another, of a tagged sentence."""
    return [
        f"{a}{b}"
        for (a, tag), (b, after) in pairwise(words)
        if tag == after == "ADP" and {a, b} <= PARTICLES and (a, b) not in TOGETHER
    ]


def test_the_sample_has_no_such_error() -> None:
    assert [(sentence, errors) for sentence in unspaced("ja") if (errors := problems(sentence))] == []
    for split in ("dev", "test"):
        assert [errors for words in tagged("pos", split, "ja") if (errors := meeting(words))] == []


def test_every_counted_noun_is_seen() -> None:
    assert len({match["noun"] for sentence in unspaced("ja") for match in COUNTED.finditer(sentence)}) > 30


@pytest.mark.parametrize(
    "sentence",
    [
        "彼は三個の本を買った。",
        "彼はを買った。",
        "彼は本をを買った。",
        "彼は古いな本を買った。",
        "彼は本 を買った。",
        "彼は本を買った.",
        "買った彼は本を。",
        "彼は本を猫を買った。",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence)


def test_particles_that_meet_are_caught() -> None:
    assert meeting([("本", "NOUN"), ("を", "ADP"), ("が", "ADP"), ("ある", "VERB")])
