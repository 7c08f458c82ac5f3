"""Words that decide what a sentence says: negation, persons, numbers and quantities, by language.

A reader cannot tell such a word from another that a slip makes of it, and pairs of sentences often differ in nothing
else (*he* and *she*, *no* and *now*, *ten* and *then*). Perturbations leave them alone in texts, and make none.

The lists are the closed classes of the languages' grammars: negators and answers, personal and possessive pronouns (and
articles that are spelt like these), numbers to ten with hundred and thousand (to a million in English, French, German
and Spanish), quantifiers. They cover the languages of PAWS-X and XNLI, and some more. Inflected forms are there as far
as they differ by a letter or two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from .letters import lower
from .scripts import base_language

_WORDS = {
    "ar": "لا لم لن ليس ليست ليسوا لست لسنا ما غير دون بدون كلا نعم أبدا هو هي هم هن هما أنا نحن أنت أنتم له لها "
    "لهم به بها بهم واحد واحدة اثنان اثنين اثنتان ثلاثة ثلاث أربعة أربع خمسة خمس ستة ست سبعة سبع ثمانية ثمان "
    "تسعة تسع عشرة عشر مئة مائة ألف كل جميع بعض كثير قليل أكثر أقل فقط",
    "bg": "не ни няма никога никой нищо нито без да той тя то те го я ги му ѝ им него нея тях негов нейна аз ти ние "
    "вие един една едно два две три четири пет шест седем осем девет десет сто хиляда всички всеки всяка "
    "всяко някои много малко повече само",
    "cs": "ne není nejsou nikdy nikdo nic žádný žádná žádné bez ani ano on ona ono oni ony jeho její jejich ho mu "
    "jí ji jim já ty my vy jeden jedna jedno dva dvě tři čtyři pět šest sedm osm devět deset sto tisíc "
    "všichni všechny každý každá každé několik mnoho málo více méně jen pouze oba obě",
    "de": "nicht nichts kein keine keinen keinem keiner keines nie niemals niemand niemanden nirgends ohne weder "
    "noch nein ja er sie es ihn ihm ihr ihre ihren ihrem ihrer ihres ihnen sein seine seinen seinem seiner "
    "seines ich du wir mich mir dich dir uns euch mein meine dein deine unser ein eine einen einem einer "
    "eines eins zwei drei vier fünf sechs sieben acht neun zehn hundert tausend alle allen aller alles einige "
    "manche jede jeden jeder jedes beide beiden viel viele wenig wenige mehr weniger nur "
    "elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig dreißig vierzig fünfzig sechzig "
    "siebzig achtzig neunzig million millionen milliarde milliarden",
    "el": "δεν δε μη μην όχι ποτέ κανείς κανένας καμία κανένα τίποτα χωρίς ούτε ναι ή ο η οι το τα του της τον την "
    "τους τις των αυτός αυτή αυτό αυτοί αυτές αυτά εγώ εσύ εμείς εσείς μου σου μας σας ένας μία μια ένα δύο "
    "δυο τρεις τρία τέσσερα τέσσερις πέντε έξι επτά εφτά οκτώ οχτώ εννέα εννιά δέκα εκατό χίλια όλοι όλες όλα "
    "κάθε μερικοί μερικές πολλοί πολλές πολλά λίγοι λίγες λίγα περισσότερο λιγότερο μόνο",
    "en": "no not nor never none nobody nothing nowhere neither without cannot yes he she it they him her them his "
    "hers its their theirs i we you me us my our your yours one two three four five six seven eight nine ten "
    "hundred thousand all any some every each both few fewer many most more less least only half "
    "eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty "
    "seventy eighty ninety million billion aint arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt mustnt "
    "neednt shouldnt wasnt werent wont wouldnt",
    "es": "no ni nunca jamás nadie nada ningún ninguno ninguna sin tampoco sí él ella ellos ellas ello el la los "
    "las lo le les su sus yo tú tu nosotros usted ustedes mi mis me te nos un una uno unos unas dos tres "
    "cuatro cinco seis siete ocho nueve diez cien mil todo todos toda todas algún alguno alguna algunos "
    "algunas cada mucho muchos muchas poco pocos pocas más menos solo sólo ambos ambas "
    "once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta "
    "sesenta setenta ochenta noventa ciento cientos miles millón millones",
    "fa": "نه نیست نیستند نبود هیچ هرگز بدون بله او آن آنها وی ایشان من تو ما شما یک دو سه چهار پنج شش هفت هشت ده "
    "صد هزار همه هر برخی بعضی چند بسیار کم بیشتر کمتر فقط تنها",
    "fr": "ne pas jamais rien personne aucun aucune sans ni non oui il elle ils elles lui leur leurs le la les un "
    "une des du je tu nous vous on me te se mon ma mes ton ta tes son sa ses notre votre nos vos deux trois "
    "quatre cinq six sept huit neuf dix cent mille tout tous toute toutes chaque plusieurs peu beaucoup "
    "quelques certains plus moins seulement "
    "onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante soixante septante huitante "
    "nonante cents million millions milliard milliards",
    "hi": "नहीं न ना मत बिना कभी कोई हाँ हां वह वे यह ये उस उन इस इन मैं हम तुम आप एक दो तीन चार पाँच पांच छह सात "
    "आठ नौ दस सौ हज़ार हजार सब हर कुछ कई बहुत कम ज़्यादा ज्यादा केवल सिर्फ़ सिर्फ दोनों "
    "उसे उसने उससे उसका उसकी उसके उन्हें उन्होंने उनसे उनका उनकी उनके इसे इसने इससे इन्हें इनसे मैंने मुझे मुझसे मेरा मेरी मेरे हमें "
    "हमने हमसे हमारा हमारी हमारे तुम्हें तुमने जिसे जिससे जिसने",
    "it": "no non né mai niente nulla nessuno nessuna senza sì lui lei loro egli ella essi esse il lo la i gli le "
    "li suo sua suoi sue io tu noi voi mi ti ci vi un uno una due tre quattro cinque sei sette otto nove "
    "dieci cento mille tutto tutti tutta tutte alcuni alcune ogni molto molti molte poco pochi poche più meno "
    "solo entrambi entrambe",
    "ko": "안 못 아니 그 두 세 네 둘 셋 넷 한 하나 다섯 여섯 일곱 여덟 아홉 열 백 천 모두 모든 각 몇 만",
    "nl": "niet geen nooit niemand niets nergens zonder noch nee ja hij zij ze het hem haar hun hen zijn ik jij je "
    "wij we u een één twee drie vier vijf zes zeven acht negen tien honderd duizend alle alles sommige elk "
    "elke ieder iedere beide veel weinig meer minder alleen",
    "pl": "nie nigdy nikt nic żaden żadna żadne bez ani tak on ona ono oni one jego jej ich jemu ją go mu im ja ty "
    "my wy jeden jedna jedno dwa dwie trzy cztery pięć sześć siedem osiem dziewięć dziesięć sto tysiąc "
    "wszyscy wszystkie każdy każda każde kilka wiele mało więcej mniej tylko oba obie",
    "pt": "não nem nunca jamais ninguém nada nenhum nenhuma sem sim ele ela eles elas o a os as lhe lhes seu sua "
    "seus suas eu tu nós você vocês meu minha um uma uns umas dois duas três quatro cinco seis sete oito nove "
    "dez cem mil todo todos toda todas algum alguma alguns algumas cada muito muitos muitas pouco poucos "
    "poucas mais menos só ambos ambas",
    "ru": "не ни нет никогда никто ничто ничего нигде без да он она оно они его её ее ему ей им их него неё нее "
    "нему ней ним них я ты мы вы меня тебя нас вас один одна одно одни два две три четыре пять шесть семь "
    "восемь девять десять сто тысяча все всё всех каждый каждая каждое некоторые многие много мало больше "
    "меньше только оба обе",
    "sw": "si sio siyo hapana hakuna hamna bila kamwe wala la ndiyo yeye wao mimi sisi wewe nyinyi moja mmoja mbili "
    "wawili mawili tatu watatu matatu nne wanne tano watano sita saba nane tisa kumi mia elfu wote zote yote "
    "kila baadhi wengi nyingi chache wachache tu",
    "tr": "değil yok hayır hiç asla kimse evet var o onlar onu ona onun onları ben sen biz siz bir iki üç dört beş "
    "altı yedi sekiz dokuz on yüz bin bütün tüm her bazı çok az daha en yalnız sadece mi mı mu mü",
    "uk": "не ні нема немає ніколи ніхто ніщо нічого без так він вона воно вони його її йому їй їм їх нього неї ним "
    "них я ти ми ви один одна одно два дві три чотири п'ять шість сім вісім дев'ять десять сто тисяча всі усі "
    "кожен кожна деякі багато мало більше менше тільки лише обидва обидві",
    "ur": "نہیں نہ نا مت بغیر کبھی کوئی ہاں وہ یہ اس ان میں ہم تم آپ ایک دو تین چار پانچ چھ سات آٹھ نو دس سو ہزار "
    "سب ہر کچھ کئی بہت کم زیادہ صرف دونوں",
    "vi": "không chẳng chả chưa đừng có anh chị cô ông bà nó họ hắn tôi mình em một hai ba bốn năm sáu bảy tám chín "
    "mười trăm nghìn ngàn triệu tất cả mọi mỗi vài nhiều ít chỉ",
}
_VERBS = {
    "ar": "كان كانت كنت كنا كانوا يكون تكون أكون نكون يكن تكن أكن أن أنه أنها أنني أني إنه إنها قال قالت قلت",
    "de": "bin bist ist sind seid war warst waren wart habe hab hast hat haben habt hatte hattest hatten werde wirst "
    "wird werden wurde wurden würde würden kann kannst können konnte konnten will willst wollen muss musst müssen "
    "soll sollst sollen",
    "en": "am is are was were be been being has have had do does did can could will would shall should may might must "
    "said says live lives lived",
    "es": "soy eres es somos son fui fue era eras eran fueron sea estoy estás está están estaba he has ha hemos han "
    "había haya hay voy vas va van iba puedo puede puedes pueden pude pudo veo ve ven vi vio doy da dan di dio digo "
    "dice dicen dije dijo dijeron hago hace hacen hice hizo tengo tiene tienen tuve tuvo quiero quiere quise quiso "
    "vivo vive viven debo debe deben sé sabe supo pongo pone puso vengo viene vino",
    "fr": "suis es est sommes êtes sont étais était étaient étions fus fut furent fût serai sera seras serait seront "
    "sois soit été ai as a avons avez ont avais avait avaient eus eut eu aurai aura auras aurait auront aie ait aient "
    "fais fait faites font faisait fit fera ferait vais vas va vont allait ira irait faut fallait dis dit disent peux "
    "peut peuvent pouvait put veux veut veulent vois voit voient vit vis dois doit doivent devait sais sait vient "
    "viens vint tient et ou où",
    "hi": "है हैं हो हों हूँ हूं था थी थे थीं रहा रही रहे सकता सकते सकती सका सके सकी",
}
"""Forms of the commonest verbs, which a letter tells from another person, tense or verb (*faut* and *fait*, *puedo* and
*pudo*), and words that a letter tells from these (French *est* and *et*, Arabic أنني and أني)."""
_ENDINGS = {"de": re.compile(r"(?:st|te[nst]?|test)$")}
"""Endings of person and tense that are longer than the last letter: *sagte* and *sage*, *brauchst* and *braucht*."""
_PARTS = {
    "en": r"\w+n['’]t\b",
    "fr": r"\b[nN]['’]\w+",
    "ko": r"않|없|아니|못하|그녀|그들",
    "th": r"ไม่|มิ|ไร้|เขา|เธอ|มัน|หล่อน|ฉัน|ผม|คุณ|ศูนย์|หนึ่ง|สอง|สาม|สี่|ห้า|หก|เจ็ด|แปด|เก้า|สิบ|ร้อย|พัน|ทุก|บาง|หลาย|"
    r"น้อย|มาก|เพียง|แค่|ทั้ง|ไหม",
    "ja": r"ない|なかっ|なく|なけれ|ませ|か(?=[。．.？?！!」』）)\s]|$)",
}
"""Patterns of what decides wherever it stands: clitics, and words of languages that write them together."""
_PREFIXES = {"ar": ("و", "ف")}
"""Words that are written together with the next one."""
_KEPT_LETTERS = {"tr": "m", "az": "m"}
"""Letters that alone make the negative of a verb: *geliyor*, *gelmiyor*."""
DECIDING_HAN = frozenset(
    "他她它牠祂你妳您我"
    + "不没沒無无未非否别別勿莫"
    + "零〇一二三四五六七八九十百千万萬亿億两兩半双雙"
    + "哪那谁誰每各全都只最少多会會"
)
"""Chinese and Japanese characters of that kind: pronouns, negation, numbers, questions, quantity, *can* and *will*."""


def decides(word: str, language: str) -> bool:
    """True if a whole word, in any case, is one of those that decide."""
    return lower(word, language).replace("’", "'") in _words(base_language(language))


def deciding_places(text: str, language: str) -> list[tuple[int, int]]:
    """Start and end of what decides inside longer words, where the language has such."""
    pattern = _pattern(base_language(language))
    return [] if pattern is None else [match.span() for match in pattern.finditer(text)]


def keeps_deciding(word: str, form: str, language: str) -> bool:
    """True if a form that a slip made of a word neither is nor holds something that decides and the word did not.

    Forms of the commonest verbs are neither made nor changed, and endings longer than a letter stay.
    """
    code = base_language(language)
    if decides(form, language) or lower(form, language) in _verbs(code):
        return False
    if lower(word, language) in _verbs(code) or not _keeps_ending(word.lower(), form.lower(), code):
        return False
    if len(deciding_places(form, language)) != len(deciding_places(word, language)):
        return False
    return all(word.lower().count(letter) == form.lower().count(letter) for letter in _KEPT_LETTERS.get(code, ""))


@lru_cache
def _words(code: str) -> frozenset[str]:
    return _with_prefixes(_WORDS, code)


@lru_cache
def _verbs(code: str) -> frozenset[str]:
    return _with_prefixes(_VERBS, code)


def _with_prefixes(lists: Mapping[str, str], code: str) -> frozenset[str]:
    words = lists.get(code, "").split()
    return frozenset(prefix + word for word in words for prefix in ("", *_PREFIXES.get(code, ())))


def _keeps_ending(word: str, form: str, code: str) -> bool:
    """True if the ending that tells person and tense is that of the word still."""
    if code not in _ENDINGS:
        return True
    before, after = (_ENDINGS[code].search(text) for text in (word, form))
    return (before and before[0]) == (after and after[0])


@lru_cache
def _pattern(code: str) -> re.Pattern[str] | None:
    return re.compile(_PARTS[code]) if code in _PARTS else None
