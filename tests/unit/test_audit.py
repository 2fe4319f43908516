"""The audit finds what is wrong with news and little else: in ours, and in real ones where they are there."""

import json
import random
from collections import Counter, defaultdict
from itertools import islice, pairwise

import pytest

from resumen.news.stories import stories
from resumen.schema.data import SWITCHED, DropParams, FilesParams
from resumen.schema.params import read_yaml
from resumen.schema.rows import SPLITS
from resumen.sources.audit import Audit, DuplicateIndex, RowWords, own_defects
from resumen.sources.damage import is_damaged
from resumen.text import language
from resumen.text.characters import normalize
from resumen.text.language import RELATIVES, identifier, is_another_language
from resumen.text.sentences import sentences
from resumen.text.words import words
from stages.fetch import clean
from tests.helpers.paths import ROOT, SHARED

HEADLINES = SHARED / "articles-es/headlines-1543.jsonl"
DATA = read_yaml(ROOT / "params.yaml")["data"]
MARGIN = DATA["language_margin"]

# Three sentences of news in each of the languages that a Spanish archive may hold.
LANGUAGES = {
    "en": "The mayor said on Monday that the new museum will open in the summer. The work has cost three "
    "million euros more than the city had planned. The neighbours have waited for it for eleven years.",
    "ca": "L'alcaldessa va dir dilluns que el nou museu obrirà a l'estiu. Les obres han costat tres milions "
    "d'euros més del que la ciutat havia previst. Els veïns fa onze anys que l'esperen.",
    "gl": "A alcaldesa dixo o luns que o novo museo abrirá no verán. As obras custaron tres millóns de euros "
    "máis do que a cidade tiña previsto. Os veciños levan once anos agardando por el.",
    "pt": "A presidente da câmara disse na segunda-feira que o novo museu vai abrir no verão. As obras "
    "custaram mais três milhões de euros do que a cidade previa. Os vizinhos esperam por ele há onze anos.",
    "fr": "La maire a déclaré lundi que le nouveau musée ouvrira cet été. Les travaux ont coûté trois "
    "millions d'euros de plus que ce que la ville avait prévu. Les voisins l'attendent depuis onze ans.",
    "it": "La sindaca ha detto lunedì che il nuovo museo aprirà in estate. I lavori sono costati tre milioni "
    "di euro più di quanto la città avesse previsto. I vicini lo aspettano da undici anni.",
    "de": "Die Bürgermeisterin sagte am Montag, das neue Museum werde im Sommer öffnen. Der Umbau hat drei "
    "Millionen Euro mehr gekostet, als die Stadt geplant hatte. Die Nachbarn warten seit elf Jahren darauf.",
    "eu": "Alkateak astelehenean esan zuen museo berria udan irekiko dutela. Lanek hiriak aurreikusitakoa "
    "baino hiru milioi euro gehiago kostatu dituzte. Auzokoek hamaika urte daramatzate zain.",
}


def seen_index():
    """Return an index that has seen nothing."""
    return DuplicateIndex(DATA["near_duplicate_similarity"])


def params(**drop):
    """Return params under which every row stays that can, but for what `drop` says."""
    source = {"source": "files", "path": "x.csv", "separator": ",", "columns": {"text": "a", "summary": "b"}}
    sizes = dict.fromkeys(SPLITS, "all")
    stays = dict.fromkeys(DATA["drop"], False)
    return FilesParams.model_validate({**DATA, **source, **sizes, "drop": stays | drop})


def our_rows(count=800):
    """Return rows of our own news."""
    output = stories(count, 77)
    return [{"id": f"row-{index}", **vars_of(story)} for index, story in enumerate(output)]


def vars_of(story):
    return {"text": story.text, "summary": story.summary, "title": story.title}


def real_rows():
    """Return 700 real articles, their headline as the summary and their second sentence as the title."""
    rows = []
    with HEADLINES.open(encoding="utf-8") as lines:
        for index, line in enumerate(islice(lines, 700)):
            row = json.loads(line)
            body = row["text"].removeprefix(row["headline"]).strip()
            title = [*sentences(body), "", ""][1]
            rows.append({"id": f"row-{index}", "text": body, "summary": row["headline"], "title": title})
    return rows


def in_another_language(row, rng):
    message = sentences(LANGUAGES[rng.choice(sorted(LANGUAGES))])
    return row | {"text": " ".join(rng.sample(message, 3))}


def nearly(row, rng):
    """Return a copy as an archive has it: a few words corrected, or a line added in front or at the end."""
    result = row["text"].split()
    kind = rng.randrange(3)
    if kind == 0:
        for index in rng.sample(range(len(result)), max(1, len(result) // 60)):
            result[index] = "corregido"
    elif kind == 1:
        result = ["Actualizada", "a", "las", str(rng.randrange(24)), *result]
    else:
        result += ["Esta", "noticia", "está", "en", "desarrollo"]
    return row | {"text": " ".join(result)}


def quoting(row, rng):
    """Return a row whose summary is a piece of its text."""
    result = row["text"].split()
    start = rng.randrange(max(1, len(result) - 12))
    return row | {"summary": " ".join(result[start : start + 12])}


def misread(text, encoding, times=1):
    """Return `text` as who reads UTF-8 in another encoding sees it."""
    for _ in range(times):
        text = text.encode().decode(encoding)
    return text


def damaging(row, rng):
    """Return a row whose text or summary is damaged."""
    name = rng.choice(["text", "summary"])
    damage = (
        lambda text: misread(f"{text} Mañana será así.", "latin-1"),
        lambda text: text.replace("a", "\ufffd", 3),
        lambda text: f"<p>{text}</p>",
        lambda text: text.replace(" ", "&nbsp;", 2),
        lambda text: f"{text} {'a' * 12}",
    )
    return row | {name: rng.choice(damage)(row[name])}


# A row with a fault of its own.
OWN = {
    "short summary": lambda row, rng: row | {"summary": rng.choice(["Agenda", "Viñeta", "— TV —"])},
    "damaged text": damaging,
    "other language": in_another_language,
    "verbatim summary": quoting,
    "title as summary": lambda row, _: row | {"title": f"«{row['summary'].upper()}»"},
    "long summary": lambda row, _: row | {"summary": f"{row['text']} {row['summary']}"},
    "empty text": lambda row, rng: row | {"text": rng.choice(["", " \n", "— …", "NaN"])},
    "empty summary": lambda row, rng: row | {"summary": rng.choice(["", " \n", "¿…?", "null"])},
}
# A copy of a row that is there already, in the same split or an earlier one.
COPIES = {
    "duplicate text": lambda row, _: row | {"text": row["text"].replace(" ", "\n", 3)},
    "near duplicate": nearly,
    "text in earlier split": lambda row, _: row | {"text": row["text"] + " "},
    "near duplicate in earlier split": nearly,
    "repeated summary": lambda row, rng: row | {"text": " ".join(rng.sample(row["text"].split(), 40))},
}


def planted(rows, rng, count):
    """Return train and test rows with `count` of each fault, and what was planted where: {id: fault}."""
    middle = len(rows) // 2
    train, rest, truth = rows[:middle], iter(rows[middle:]), {}
    test = []
    for fault, plant in OWN.items():
        for _ in range(count):
            row = plant(next(rest), rng)
            truth[row["id"]] = fault
            test.append(row)
    others = list(rest)
    test += others
    for fault, plant in COPIES.items():
        for row in rng.sample(train if "earlier" in fault else others, count):
            copy = plant(row, rng) | {"id": f"{row['id']} {fault}"}
            truth[copy["id"]] = fault
            test.append(copy if fault == "repeated summary" else copy | {"summary": f"Más: {row['summary']}"})
    return {"train": train, "test": test}, truth


def found_in(splits):
    """Return what the audit finds: {id: defects}, nothing being dropped but what is unusable."""
    seen, result = seen_index(), {}
    for split, rows in splits.items():
        for row in rows:
            audit = Audit(split)
            list(clean([row], audit, seen, params()))
            result[row["id"]] = set(audit.dropped | audit.left)
    return result


def faultless(rows):
    """Return the rows of 80 words and more in which a search through all pairs of rows finds nothing."""
    any_language = params().model_copy(update={"language": "any"})
    kept, summaries, sizes = [], set(), []
    rows_with = defaultdict(list)  # a pair of words -> places in `kept`
    for row in rows:
        read = RowWords.of(row)
        mine, message = set(pairwise(read.text)), " ".join(read.summary)
        if len(read.text) < 80 or message in summaries or own_defects(row, read, any_language):
            continue
        common = Counter(index for pair in mine for index in rows_with[pair])
        if any(count > 0.75 * (len(mine) + sizes[index] - count) for index, count in common.items()):
            continue
        for pair in mine:
            rows_with[pair].append(len(kept))
        kept.append(row)
        summaries.add(message)
        sizes.append(len(mine))
    return kept


SOURCES = [
    our_rows,
    pytest.param(
        real_rows, marks=pytest.mark.skipif(not HEADLINES.exists(), reason="the real articles are not here")
    ),
]


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_planted_is_found_and_little_else(source):
    splits, truth = planted(faultless(source()), random.Random(5), 15)
    result = found_in(splits)
    missed = {row_id: fault for row_id, fault in truth.items() if fault not in result[row_id]}
    false = {row_id: faults for row_id, faults in result.items() if faults and row_id not in truth}
    assert len(missed) <= 0.01 * len(truth), missed
    assert len(false) <= 0.005 * (len(result) - len(truth)), false


def test_there_is_a_switch_for_each_reason():
    assert [name.replace("_", " ") for name in DropParams.model_fields] == list(SWITCHED)
    assert list(DATA["drop"]) == list(DropParams.model_fields)


@pytest.mark.parametrize("fault", [*OWN, *COPIES])
def test_each_reason_drops_its_rows_or_leaves_them(fault):
    (row, other), rng = our_rows(2), random.Random(3)
    first, second = row, (OWN | COPIES)[fault](row if fault in COPIES else other, rng) | {"id": "second"}
    splits = ("train", "test") if "earlier" in fault else ("train", "train")
    for drop in (True, False):
        seen, kept, counted = seen_index(), [], []
        for split, given in zip(splits, (first, second), strict=True):
            audit = Audit(split)
            kept += clean([given], audit, seen, params(**switch(fault, drop)))
            counted.append(audit)
        dropped = drop or fault.startswith("empty")
        assert [one["id"] for one in kept] == [first["id"]] + ["second"] * (not dropped)
        assert counted[1].dropped[fault] == dropped
        assert counted[1].left[fault] == (not dropped)
        assert counted[1].examples[fault] == [
            {"id": "second", **({"of": row["id"]} if fault in COPIES else {})}
        ]


def switch(fault, drop):
    """Return the switch of a fault; an empty text has none."""
    name = fault.replace(" ", "_")
    return {name: drop} if name in DATA["drop"] else {}


ACCENTED = "El año pasado, el niño de Évora comió güeñas; ¿y la «Ñ»?"
DAMAGED = [
    misread(ACCENTED, "latin-1"),
    misread(ACCENTED, "cp1252"),
    misread(ACCENTED, "latin-1", times=2),
    misread("Pingüinos en la Antártida.", "cp1252", times=2),
    misread("Había “lluvia” – y nieve… en 12 €.", "latin-1"),
    misread("Die Bürgermeisterin öffnet das Museum.", "cp1252"),
    misread("Le musée a été fermé à Noël.", "latin-1"),
    misread("Мэр открыл музей.", "latin-1"),
    misread("Belediye başkanı müzeyi açtı.", "latin-1"),
    "Otro aÃ±o de sequÃ­a.",
    "La alcaldesa dijo: â€œLlueveâ€.",
    "Llegaron a Ã‰vora.",
    misread("Llovía.", "latin-1"),  # of "Ã\xad", `normalize` leaves "Ã" alone
    "El a\ufffdo pasado.",
    "<p>Llueve en Soria.</p>",
    "Llueve.<br/>Nieva.<BR>Hiela.",
    'Llueve en <a href="https://soria.es/?a=1&b=2">Soria</a>',
    "Llueve <a href=…>aquí",
    "Llueve <!-- anuncio -->",
    "Llueve&nbsp;en Soria.",
    "El a&#241;o y el ni&#xF1;o.",
    "El a&ntilde;o.",
    "Marks &amp; Spencer",
    "aaaaaaaaaaaa",
    "La alcaldesa dijo ÑÑÑÑÑÑÑÑÑÑÑÑ ayer.",
    "El alcalde" + 20 * "e",
]
SOUND = [
    ACCENTED,
    *LANGUAGES.values(),
    *(text.upper() for text in LANGUAGES.values()),
    "Gobierno de SÃO PAULO: AVIÕES, LIÇÃO E AMANHÃ.",
    "El cor de l’Hospitalet: «col·legi» i intel·ligència; així, què?",
    "Мэр сказал: «Музей откроется»… Ёлка — 5 №3.",
    "Belediye başkanı “müze” dedi; İstanbul’da IŞIK.",
    "«¿Sí?»—dijo él—«¡no!» “É”, l’œuvre, n.º 3, 1.ª, 25 ºC, 3 × 2, ½, 10 €/m², ©, ®, ™ y 50£.",
    "Dijo «está»él y “así”y “Él”; José»: 5€Ávila.",  # signs without their spaces
    "Si a < b y c > d, entonces a<b y c>d, y p<q, y x<y.",
    "AT&T; R&D; Q&A; B&B; H&M; D&G.",
    "Escriba a <ana@correo.es> o <a@correo.es> o vea <https://soria.es/?lt=1&copy=2&amp=3>.",
    "Vea https://soria.es/?a=1&nbsp=2&b=3; o www.soria.es.",
    "¡Gooooooooooooool de Soria! ¡Nooooo! Brrrrr, jajajajajajajajaja. XXXVIII",
    "1000000000000000 ———————————— ............ ============ ____________",
    "👩‍👩‍👧 🇪🇸 ❤️ ★★★★★★★★★★★★",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_damage_is_seen(text):
    assert is_damaged(normalize(text), words(normalize(text)))


@pytest.mark.parametrize("text", SOUND)
def test_what_looks_like_damage_is_none(text):
    assert not is_damaged(normalize(text), words(normalize(text)))


@pytest.mark.skipif(not HEADLINES.exists(), reason="the real articles are not here")
def test_no_real_article_is_damaged():
    assert not [row["id"] for row in real_rows() if is_damaged(text := normalize(row["text"]), words(text))]


def test_languages_are_told_apart():
    for code, text in LANGUAGES.items():
        assert [other for other in LANGUAGES if not is_another_language(text, other, 50, MARGIN)] == [code]
    assert not is_another_language(our_rows(1)[0]["text"].upper(), "es", 100, MARGIN)


def test_a_text_that_goes_on_in_spanish_or_begins_in_it_is_spanish():
    spanish, english = our_rows(1)[0]["text"][:200] + " ", LANGUAGES["en"] + " "
    assert len(spanish) < 300 < len(english * 2)  # characters of the short beginning
    for text in (spanish * 2 + english * 9, english * 2 + spanish * 9):
        assert not is_another_language(text, "es", 100, MARGIN)
    assert is_another_language(spanish[:60] + english * 9, "es", 100, MARGIN)


# Spanish of 10 to 15 words that the identifier tells as Aragonese or Extremaduran, by a few nats.
SHORT_SPANISH = [
    "Lanzan en Xalapa la primer colonia con aroma a cacao y vainilla",
    "El ministro danés de pesca, Anders Holm, llamó el jueves al diálogo",
    "Consejo Mayor de Talamanca denuncia tala en la ribera del Sixaola",
    "Grupo armado intenta robar a Carmen Ibarra, huyen a la sierra",
    "La actual alcaldesa de Xàtiva usó una chaqueta azul y ganó a la banca andorrana",
    "La escritora Berta Müller usó una chaqueta azul y ganó a la banca andorrana",
]


def in_another(text, **changes):
    """Return whether the audit finds `text` to be in another language."""
    row, audit = {"id": "1", "text": text, "summary": "Un resumen corto."}, Audit("train")
    list(clean([row], audit, seen_index(), params().model_copy(update=changes)))
    return audit.left["other language"] == 1


@pytest.mark.parametrize("text", SHORT_SPANISH)
def test_short_spanish_is_spanish(text):
    assert not in_another(text)
    assert not in_another(text.upper())
    assert not in_another(text.replace(" ", "\u00a0"))


@pytest.mark.parametrize("code", LANGUAGES)
def test_ten_words_of_another_language_are_found(code):
    start = " ".join(LANGUAGES[code].split()[:11])  # "L'alcaldessa" is two words, "d'euros" too
    assert in_another(start)
    assert not in_another(start, language=code)


def test_the_margin_decides_what_is_another_language():
    text = SHORT_SPANISH[0]
    assert RELATIVES["es"] == {"an", "ext"}
    assert is_another_language(text, "es", 50, 0)  # as if it had 50 words
    assert not is_another_language(text, "es", 50, MARGIN)
    assert not is_another_language(LANGUAGES["pt"], "es", 30, 1_000)


def test_relatives_count_as_another_language_in_longer_texts():
    gallego = LANGUAGES["gl"]
    assert not is_another_language(gallego, "pt", 30, MARGIN)
    assert is_another_language(gallego, "pt", 50, MARGIN)


def test_relatives_are_languages_that_the_identifier_knows():
    assert {*RELATIVES, *(code for codes in RELATIVES.values() for code in codes)} <= {*identifier().labels}


def test_a_text_of_few_words_is_of_no_language_and_like_no_other():
    row = {"id": "1", "text": "Breaking news from London", "summary": "Noticias de hoy.", "title": ""}
    audit, seen = Audit("train"), seen_index()
    almost = row | {"id": "2", "text": "Breaking news from Paris", "summary": "Otras de hoy."}
    assert len(list(clean([row, almost], audit, seen, params(other_language=True, near_duplicate=True)))) == 2


def test_short_texts_that_differ_in_a_word_are_not_near_duplicates():
    text = "[Usuario] ¿Qué río pasa por aquí? [Asistente] Por aquí pasa el {}. [Usuario] ¿Y dónde desemboca?"
    rivers = ("Ebro número 1", "Ebro número 2", "Tajo número 3")
    rows = [
        {"id": river, "text": text.format(river), "summary": f"El {river} desemboca."} for river in rivers
    ]
    assert (
        len(
            list(
                clean(
                    rows,
                    Audit("train"),
                    seen_index(),
                    params(near_duplicate=True),
                )
            )
        )
        == 3
    )


@pytest.mark.parametrize(
    ("changes", "num_kept"),
    [
        ({}, 2),
        ({"min_near_duplicate_words": 12}, 1),
        ({"min_near_duplicate_words": 12, "near_duplicate_similarity": 0.99}, 2),
        ({"min_language_words": 4}, 0),
    ],
)
def test_the_thresholds_of_params_decide_what_is_a_near_duplicate_and_of_a_language(changes, num_kept):
    text = f"{{}} {LANGUAGES['en']}"
    rows = [
        {"id": day, "text": text.format(day), "summary": f"Desfile de {day}."} for day in ("Today", "Now")
    ]
    asked = params(other_language=True, near_duplicate=True).model_copy(
        update={"min_language_words": 99, **changes}
    )
    seen = DuplicateIndex(asked.near_duplicate_similarity)
    assert len(list(clean(rows, Audit("train"), seen, asked))) == num_kept


def test_another_language_can_be_the_right_one():
    row = {"id": "1", "text": LANGUAGES["fr"], "summary": "Un musée ouvre.", "title": ""}
    french = params(other_language=True).model_copy(update={"language": "fr"})
    assert len(list(clean([row], Audit("train"), seen_index(), french))) == 1


def test_lengths_are_those_of_the_rows_that_stay():
    row = {"id": "1", "text": "uno dos tres cuatro cinco seis", "summary": "siete ocho nueve", "title": ""}
    audit = Audit("train")
    list(
        clean(
            [row, row | {"id": "2", "summary": ""}],
            audit,
            seen_index(),
            params(),
        )
    )
    report = audit.report()
    assert report["kept"] == 1
    assert report["dropped"] == {"empty summary": 1}
    assert report["text_words"]["median"] == 6
    assert report["summary_words"]["median"] == 3
    assert report["compression"]["median"] == 2


def test_the_languages_are_those_that_the_identifier_knows():
    assert sorted(identifier().labels) == sorted(language.LANGUAGES)
