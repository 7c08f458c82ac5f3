"""Chinese: measure words by a table of their own, no spaces, no foreign letters, punctuation."""

from __future__ import annotations

import re

import pytest

from .sample_files import unspaced

MEASURES = {
    "书": "本", "地图": "张", "画": "幅", "自行车": "辆", "汽车": "辆", "椅子": "把", "桌子": "张", "灯": "盏",
    "帽子": "顶",
    "包": "个", "吉他": "把", "刀": "把", "雨伞": "把", "钥匙": "把", "电话": "部", "电脑": "台", "报纸": "份",
    "戒指": "枚", "信": "封", "盒子": "个", "瓶子": "个", "镜子": "面", "衬衫": "件", "狗": "只", "猫": "只",
    "马": "匹",
    "牛": "头", "兔子": "只", "鸭子": "只", "山羊": "只", "苹果": "个", "梨": "个", "橙子": "个", "香蕉": "根",
    "蛋糕": "个", "鸡蛋": "个", "小时": "个", "学校": "所", "办事处": "个", "老师": "位", "医生": "位", "学生": "名",
    "游客": "名", "记者": "名", "农民": "位", "作家": "位", "画家": "位", "工程师": "位", "厨师": "位", "律师": "位",
    "司机": "位", "园丁": "位", "女孩": "个", "女士": "位", "男士": "位", "女演员": "位", "护士": "位", "歌手": "位",
    "祖母": "位",
}  # fmt: skip
ALL_MEASURES = "".join(sorted(set(MEASURES.values())))
COUNTED = re.compile(
    rf"(?<!星期)(?:[一两三四五六七八九]|那)(?P<measure>[{ALL_MEASURES}])(?:[^，。、？！的]{{1,4}}的|[新旧大小])?"
    rf"(?P<noun>{'|'.join(sorted(MEASURES, key=len, reverse=True))})"
)
BARE_COUNT = re.compile(rf"(?<!星期)[一两三四五六七八九](?:{'|'.join(MEASURES)})")


def problems(sentence: str) -> list[str]:
    found = [match[0] for match in COUNTED.finditer(sentence) if MEASURES[match["noun"]] != match["measure"]]
    found += [f"no measure word: {match[0]}" for match in BARE_COUNT.finditer(sentence)]
    if re.search(r"\s", sentence):
        found.append("a space")
    if re.search(r"[A-Za-zァ-ヶ]", sentence):
        found.append("a foreign letter")
    if re.search(r"[,.?!:;]", sentence) or sentence[-1] not in "。？！":
        found.append("punctuation of another script")
    if re.search(r"(的的|了了|在在|(?<!星期)二[" + ALL_MEASURES + "])", sentence):
        found.append("a doubled particle, or 二 before a measure word")
    return found


def test_the_sample_has_no_such_error() -> None:
    assert [(sentence, errors) for sentence in unspaced("zh") if (errors := problems(sentence))] == []


def test_every_counted_noun_is_seen() -> None:
    seen = {match["noun"] for sentence in unspaced("zh") for match in COUNTED.finditer(sentence)}
    assert len(seen) > 45


@pytest.mark.parametrize(
    "sentence",
    [
        "他有三个书。",
        "他买了一辆旧的电脑。",
        "他 有三本书。",
        "他有三本书.",
        "他有三书。",
        "他有二本书。",
        "Max有三本书。",
    ],
)
def test_a_wrong_sentence_is_caught(sentence: str) -> None:
    assert problems(sentence)
