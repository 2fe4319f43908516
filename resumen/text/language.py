"""The language of a text, and languages by name."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

# Those that the identifier knows; it has 73 MB, which reading params.yaml does not need. zxx is no language.
LANGUAGES = """
af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr ht hu
hy id ig is it ja jv ka kk km kn ko ku ky la lg ln lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps
pt qu ro ru sa si sk sl so sq sr sv sw ta te th tl tr ug uk ur uz vi xh yo zh zu zxx ace bcl dz ext gcf
gom grc gug hbo kik nso pcm rw se sn st an ary crh fo fuv gcr guw kab lb lij ltg uzs wa sdh arz ba mt nn
oc tg tk tt vec vo wuu yue
""".split()
# Those that have a stemmer or a stop list, in English and in Spanish.
LANGUAGE_NAMES = {
    code: (english, spanish)
    for code, english, spanish in map(
        str.split,
        """
        ar Arabic árabe
        bg Bulgarian búlgaro
        ca Catalan catalán
        cs Czech checo
        da Danish danés
        de German alemán
        el Greek griego
        en English inglés
        eo Esperanto esperanto
        es Spanish español
        et Estonian estonio
        eu Basque euskera
        fa Persian persa
        fi Finnish finés
        fr French francés
        ga Irish irlandés
        gl Galician gallego
        gu Gujarati guyaratí
        he Hebrew hebreo
        hi Hindi hindi
        hu Hungarian húngaro
        hy Armenian armenio
        id Indonesian indonesio
        it Italian italiano
        ja Japanese japonés
        ko Korean coreano
        lt Lithuanian lituano
        ms Malay malayo
        ne Nepali nepalí
        nl Dutch neerlandés
        no Norwegian noruego
        pl Polish polaco
        pt Portuguese portugués
        ro Romanian rumano
        ru Russian ruso
        sk Slovak eslovaco
        sr Serbian serbio
        st Sesotho sesoto
        sv Swedish sueco
        ta Tamil tamil
        tr Turkish turco
        uk Ukrainian ucraniano
        vi Vietnamese vietnamita
        zh Chinese chino
        """.strip().splitlines(),
    )
}
LANGUAGE_CHARACTERS = (300, 1_000)  # the beginnings by which the language is told, the short one first
MIN_RELATIVE_WORDS = 50  # in fewer words relatives are not told apart
# Those that are found in short real texts of a language and seldom written beside it. Spanish has Galician,
# Catalan and Portuguese beside it: by a margin of 10 nats, 20 words of them are found in 99 of 100 texts.
RELATIVES = {
    "ca": {"oc"},
    "de": {"lb"},
    "es": {"an", "ext"},
    "it": {"vec"},
    "nl": {"af"},
    "pt": {"gl"},
    "ru": {"bg"},
    "tr": {"az"},
}


def language_named(name: str) -> str | None:
    """Return the code of a language by its name, in English or Spanish, if it is one of LANGUAGE_NAMES.

    >>> language_named("Spanish"), language_named("francés"), language_named("es")
    ('es', 'fr', None)
    """
    return next(
        (code for code, names in LANGUAGE_NAMES.items() if name.lower() in map(str.lower, names)), None
    )


@cache
def identifier() -> LanguageIdentifier:
    """Return the identifier of 100 languages (Lui and Baldwin 2012, https://aclanthology.org/P12-3005)."""
    return LanguageIdentifier.from_model_file(MODEL_FILE)


def language_of(text: str) -> str:
    """Return the language that a text is likeliest in, of LANGUAGES; of a few words it is often wrong.

    >>> language_of("Resume el siguiente articulo"), language_of("Résume cet article")
    ('es', 'fr')
    """
    language: str = identifier().rank(text.lower())[0][0]
    return language


def is_another_language(text: str, language: str, num_words: int, margin: float) -> bool:
    """Return whether `text` is likelier in another language, by more than `margin` (nats of log-likelihood).

    Both of its beginnings have to say so; the short one clears nearly all texts, in a third of the time. They
    are put in lower case: texts in capitals pass for other languages otherwise. Of fewer than
    MIN_RELATIVE_WORDS words, RELATIVES count for no other language.

    >>> is_another_language("La alcaldesa dijo que el río está en el valle.", "es", 10, 10)
    False
    >>> is_another_language("The mayor said that the river is in the valley.", "es", 10, 10)
    True
    """
    relatives = RELATIVES.get(language, ()) if num_words < MIN_RELATIVE_WORDS else ()

    def is_found(beginning: str) -> bool:
        score: dict[str, float] = dict(identifier().rank(beginning.lower()))
        best = max(value for code, value in score.items() if code not in relatives)
        return best - score[language] > margin

    return all(is_found(text[:size]) for size in LANGUAGE_CHARACTERS)
