"""Characters that people mix up where writing is not a matter of keys: Han characters and kana.

Han. People who write Chinese or Japanese choose a character among those that sound alike, or take one that looks
alike: of the spelling errors of Chinese writers that Liu et al. (ACM TALIP 2011, "Visually and phonologically similar
characters in incorrect Chinese words") collected, most are confusions of sound, fewer of shape, and many of both.
The groups here are a choice of everyday ones of those kinds, made for this project: homophones that teachers correct
(的/得/地, 在/再, 做/作; in Japanese 同音異字 such as 制/製 and 補/保), and characters a stroke or a radical
apart (己/已, 未/末, 待/侍). It is no extract of their data.

Kana. Voicing marks, small kana and the long-vowel mark are what spellers of Japanese leave out or add; は/わ, へ/え,
を/お, じ/ぢ and ず/づ sound alike (Cabinet notice 現代仮名遣い, 1986).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from .deciding_words import DECIDING_HAN
from .scripts import base_language

# Characters of a group are taken for each other. Simplified and traditional ones stand in one table: see `_fits`.
_CHINESE = """
的得地 在再载載 做作 像象向响 以已 己已 即既 坐座 带戴代待 帶戴代待 度渡 份分 何河和合 及急 近进 近進
密蜜 因音 原源元员圆园 原源元員圓園 只支知之 直值 至致制治 中终钟 中終鐘 州洲周 子字 必毕 必畢 成承城程 到道
定订 定訂 反返 工功公攻 力立利历 力立利歷 明名 目木 其奇期 清情请 清情請 人入 土士 间问 間問 是事市式世室 手首
心新欣 型形行 性姓 由油游 有友 住往 住注助祝 晴睛 辩辨 辯辨 拨拔 折拆 班斑 复覆 復覆 刻克 每美 免兔 陪培赔
陪培賠 气汽 氣汽 恰洽 少小 思司 虽随 雖隨 提题 提題 位未味为 位未味為 午五舞 务物 務物 校效笑 需须 需須 药要 藥要
也野 意易义异 意易義異 育玉域 正政 种重 種重 最罪醉 帐账 帳賬 震振 经径 經徑 决诀 決訣 还环 還環 回会 回會 家加佳
件建见 件建見 交郊 叫教 今金斤 静净 靜淨 竟境 竞竟 競竟 久九酒 具句 块快 塊快 里理 裡理 连联 連聯 练炼 練煉 亮量辆
亮量輛 令另 流留 求球 取去 升生声 升生聲 十食时 十食時 完玩 望忘 西希息 现线县 現線縣 雨语 雨語 月越 章张 章張
后候 记纪 記紀
"""
_JAPANESE = """
制製 型形 器機 収修 的適 観感関 週周 会回 成性 補保 証障 究求及 市氏 工公 行航 誤語 主種 用要様 先線 全前 最再 対体 以意
暑熱厚 影陰 固硬堅 墓募暮 微徴 末未 徐除 縁緑 問間 待持侍 続読 休体 人入 大太犬 土士 千干 目自白 右石 名各 氷永 牛午
力刀 矢失 天夫 老考 若苦 住往注 荷何 第弟 遠違 帰掃 鳥島 雪雲 科料 地池 時持 特持
"""
_VOICED = (
    "かが きぎ くぐ けげ こご さざ しじ すず せぜ そぞ ただ ちぢ つづ てで とど はばぱ ひびぴ ふぶぷ へべぺ ほぼぽ"
)
_SMALL = "あぁ いぃ うぅ えぇ おぉ つっ やゃ ゆゅ よょ わゎ"
_SAME_SOUND = "はわ へえ をお じぢ ずづ"


@lru_cache
def han_confusions(language: str) -> Mapping[str, str]:
    """Character -> those it is taken for, sorted: Japanese ones for `ja`, else Chinese ones.

    Characters that decide what a sentence says are not in it, though people confuse some of them (他 她 它, 那 哪).
    """
    groups = [
        set(group) - DECIDING_HAN for group in (_JAPANESE if base_language(language) == "ja" else _CHINESE).split()
    ]
    table = _confusions(groups)
    if base_language(language) == "ja":
        return table
    fitting = {a: "".join(b for b in others if _fits(a, b)) for a, others in table.items()}
    return {a: others for a, others in fitting.items() if others}


def _fits(a: str, b: str) -> bool:
    """True if `b` can stand where `a` does without mixing simplified and traditional characters."""
    return _variant(b) in ("", _variant(a))


def _variant(character: str) -> str:
    """Variant whose character set alone has a character; "" for both. (种 is in Big5 as a surname only.)"""
    simplified, traditional = _encodes(character, "gb2312"), _encodes(character, "big5") and character != "种"
    return "" if simplified == traditional else "simplified" if simplified else "traditional"


def _encodes(character: str, charset: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _confusions(groups: Iterable[Iterable[str]]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for group in map(set, groups):
        for character in group:
            found.setdefault(character, set()).update(group - {character})
    return {character: "".join(sorted(others)) for character, others in found.items() if others}


def _in_both_kana(groups: str) -> list[str]:
    return [*groups.split(), *"".join(chr(ord(c) + 0x60) if c != " " else c for c in groups).split()]


KANA_CONFUSIONS: Mapping[str, str] = _confusions(_in_both_kana(_VOICED) + _in_both_kana(_SMALL) + _SAME_SOUND.split())
"""Kana -> those that differ by a voicing mark or by size, or sound the same."""
KANA_SAME_SOUND: Mapping[str, str] = _confusions(_SAME_SOUND.split())
"""Hiragana -> the one that sounds the same: the slips in a word of one kana, mostly a particle."""
KANA_VOICED: Mapping[str, str] = _confusions(_in_both_kana(_VOICED))
"""Kana -> those that differ by a voicing mark."""
