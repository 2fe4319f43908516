"""Terminal: commands print their results in Spanish where the locale is Spanish, and in English elsewhere."""

import re

import pytest

from resumen.page.languages import Bilingual
from resumen.page.terminal import LOCALE_VARIABLES, interval, localized, number, terminal_language
from resumen.schema.sections import EvaluateParams
from resumen.tools.compare import Group, compared, miniature_lines, table_lines
from resumen.tools.results import main as results
from resumen.tools.seeds import seed_summary
from resumen.tools.show import main as show
from tests.helpers.comparisons import scored

PARAMS = EvaluateParams(bootstrap_samples=500, confidence=0.95, seed=7, stemming="none")


@pytest.fixture
def set_locale(monkeypatch):
    """Set these variables of the locale, and no other of them."""

    def set_variables(**values):
        for name in LOCALE_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.fixture
def _in_spanish(set_locale):
    set_locale(LANG="es_ES.UTF-8")


LOCALES = [
    ({}, "en"),
    ({"LANG": "es_ES.UTF-8"}, "es"),
    ({"LANG": "es_MX"}, "es"),
    ({"LANG": "es.UTF-8"}, "es"),
    ({"LANG": "est_EE.UTF-8"}, "en"),
    ({"LANG": "es_ES.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
    ({"LANG": "en_GB.UTF-8", "LC_ALL": "es_ES.UTF-8", "LC_MESSAGES": "C"}, "es"),
    ({"LANG": "es_ES.UTF-8", "LC_ALL": ""}, "es"),
]


@pytest.mark.parametrize(("variables", "language"), LOCALES)
def test_the_first_variable_that_is_set_decides(set_locale, variables, language):
    set_locale(**variables)
    assert terminal_language() == language
    assert localized(Bilingual("one", "uno")) == {"en": "one", "es": "uno"}[language]


SIGNS = [
    ("es_ES.UTF-8", "0,50"),
    ("es", "0,50"),
    ("es_MX.UTF-8", "0.50"),
    ("es_PE@euro", "0.50"),
    ("en_ES", "0.50"),
]


@pytest.mark.parametrize(("locale", "text"), SIGNS)
def test_the_decimal_sign_is_that_of_the_country(set_locale, locale, text):
    set_locale(LC_ALL=locale)
    assert number(0.5) == text


@pytest.mark.usefixtures("_in_spanish")
def test_numbers_have_the_decimal_sign_of_the_language():
    assert number(-0.5, sign="+") == "-0,50"
    assert interval(1.25, 30.0, "+") == "de +1,25 a +30,00"


ENGLISH = re.compile(r"\b(the|of|and|by|mean|system|words?|read|pieces|is|are|not|article)\b")


@pytest.mark.usefixtures("_in_spanish")
def test_a_comparison_is_told_in_spanish():
    one, other = Group("HEAD", [scored("HEAD")]), Group("ours", [scored("ours", shift=1.0)])
    sides = one.values("rougeL")["a"], other.values("rougeL")["a"]
    (row,) = compared({"a": sides}, PARAMS, "rougeL")
    lines = table_lines("HEAD → ours", [row], {"a": row}, ["lead-3"], PARAMS)
    lines += miniature_lines([Group("HEAD", [scored("HEAD")._replace(miniatures=frozenset("a"))])], ["a"])
    assert ENGLISH.findall("\n".join(lines)) == []
    assert "diferencia, intervalo del 95 % por artículos; p (Holm)" in lines[0]
    assert re.search(r"\+1,9\d \(de \+1,\d\d a \+2,\d\d\), p = 0,\d{4}: mejor$", lines[1])
    assert lines[2].strip().startswith("diferencia mínima detectable con una potencia del 80 %: ")
    assert lines[3].strip().startswith("con palabras de contenido +1,9")
    assert lines[3].endswith("mejor; coinciden")


@pytest.mark.usefixtures("_in_spanish")
def test_seeds_are_told_in_spanish():
    group = Group("seed", [scored("seed-1"), scored("seed-2", shift=1.0)])
    first, *_, last = seed_summary(group, "a", PARAMS)
    assert first == "a, ROUGE-L en 40 artículos, por semilla"
    assert last.startswith("media ")
    assert ENGLISH.findall(last) == []


@pytest.mark.usefixtures("small_run", "_in_spanish")
def test_the_table_of_systems_is_told_in_spanish(runs, capsys):
    runs(results)
    shown = capsys.readouterr().out
    assert "perfil mini, F1 en puntos" in shown
    assert "sistema " in shown
    assert re.search(r"lead-3 +\d+,\d\d ", shown)
    assert not re.search(r"\d\.\d", shown)


@pytest.mark.usefixtures("small_run", "_in_spanish")
def test_a_row_is_shown_in_spanish(runs, capsys):
    runs(show)
    shown = capsys.readouterr().out
    assert "una fila de la partición de prueba" in shown
    assert "el resumen, convertido en piezas y reconstruido, con dos vocabularios:" in " ".join(shown.split())
    assert re.search(r"ROUGE-L \d+,\d", shown)
    assert "las tres primeras frases" in shown
    assert not re.search(r"pieces|words\)|all of its prompt|split|sentence", shown)
