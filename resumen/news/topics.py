"""The made-up news, the data: names, places, and for each topic its facts and sentences."""

from dataclasses import dataclass
from typing import NamedTuple

WOMEN = (
    *("Ana", "Ángela", "Begoña", "Carmen", "Elena", "Inés", "Laura", "Lucía"),
    *("María", "Rocío", "Rosa", "Sofía", "Teresa", "Úrsula"),
)
MEN = (
    *("Álvaro", "Andrés", "Ángel", "Diego", "Hugo", "Íñigo", "Joaquín", "Martín"),
    *("Óscar", "Pablo", "Ramón", "Raúl", "Saúl", "Tomás"),
)
SURNAMES = (
    *("Acuña", "Ávalos", "Castro", "Díaz", "García", "Ibáñez", "Íñiguez", "Marín"),
    *("Muñoz", "Núñez", "Ñíguez", "Ordóñez", "Ortega", "Peña", "Prieto", "Ríos"),
    *("Robles", "Ruiz", "Sáez", "Serrano", "Úriz", "Vega", "Vidal", "Zúñiga"),
)
PLACES = (
    *("Águilas", "Alcañiz", "Almería", "Álora", "Ávila", "Burgos", "Cádiz", "Córdoba"),
    *("Cariñena", "Cuenca", "Gijón", "Huesca", "Íscar", "Jaén", "Logroño", "Lugo", "Málaga"),
    *("Mérida", "Murcia", "Ólvega", "Órgiva", "Peñíscola", "Soria", "Teruel", "Toledo"),
    *("Úbeda", "Vigo", "Zamora"),
)
BRANDS = (
    *("Ágora", "Ánfora", "Cúpula", "Doñana", "Íbera", "Ñandú", "Ópalo", "Órbita", "Peñalara", "Única"),
    *("Aurora", "Brisa", "Cóndor", "Gredos", "Lince", "Marfil", "Oasis", "Tundra", "Vértice", "Zafiro"),
)
SECTORS = (
    *("de azúcar", "de calzado", "de juguetes", "de muebles", "de pan", "de queso", "de vino", "de aceite"),
    *("de bicicletas", "de cerveza", "de galletas", "de lámparas", "de papel", "de pescado", "de relojes"),
    *("de ropa", "de seguros", "de helados", "de pinturas"),
)
WORK_TITLES = tuple(
    opening.format(subject)
    for opening in (
        *("¿Dónde está {}?", "¿Quién llama a {}?", "¿Por qué calla {}?"),
        *("¡Viva {}!", "¡Que vuelva {}!", "¡Cuidado con {}!"),
    )
    for subject in (
        *("el abuelo", "el búho", "el faro", "el gato", "el niño", "el otoño", "el río", "el tren"),
        *("la bruja", "la lluvia", "la luna", "la maestra", "la montaña", "la música", "la niña"),
        *("la señora", "la tía"),
    )
)
SLOGANS = tuple(
    opening.format(demand)
    for opening in (
        *("¡Queremos {}!", "¡Más {} ya!", "¡Ni un día sin {}!"),
        *("¿Hasta cuándo sin {}?", "¿Cuándo habrá {}?"),
    )
    for demand in (
        *("agua", "autobuses", "ayudas", "becas", "escuelas", "guarderías", "libros", "limpieza", "luz"),
        *("médicos", "pan", "parques", "respeto", "sueldo", "tiempo", "trabajo", "trenes", "vivienda"),
    )
)
WEEKDAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
MONTHS = (
    *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
    *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
)


class Way(NamedTuple):
    """One way to say a fact: in the article, in the summary, and as a question."""

    sentence: str
    phrase: str
    question: str


class Fact(NamedTuple):
    """What the questions on a fact are answered with, and the ways to say it."""

    answer: str
    ways: tuple[Way, ...]


class Aside(NamedTuple):
    """A sentence that the summary leaves out, with a question that it answers."""

    sentence: str
    question: str
    answer: str


@dataclass(frozen=True)
class Topic:
    """The words and the sentences of one section of the newspaper."""

    name: str
    amounts: range  # above 31, so that no amount is taken for a day of the month
    words: dict[str, tuple[str, ...]]  # what the slots may hold; "el" or "la" tells the gender
    facts: dict[str, Fact]  # what, where and count, in every story
    extras: tuple[Fact, ...]  # one of them in every story
    frames: tuple[str, ...]  # the order of the phrases in the summary, one for each of extras
    asides: tuple[tuple[Aside, ...], ...]  # one of each group; the first group in every story
    openings: tuple[str, ...]
    background: tuple[str, ...]
    titles: tuple[str, ...]


FROM = Fact(
    "{date}",
    (
        Way(
            "La fecha elegida es el {date}, después de descartar el {date2}.",
            "a partir del {date}",
            "¿Cuál es la fecha elegida?",
        ),
        Way(
            "Todo empezará el {date} y no el {date2}, como decía el primer calendario.",
            "desde el {date}",
            "¿Cuándo empezará todo?",
        ),
    ),
)

POLITICS = Topic(
    name="politica",
    amounts=range(32, 99),
    words={
        "office": (
            *("el alcalde|la alcaldesa", "el concejal de Obras|la concejala de Obras"),
            *("el consejero de Cultura|la consejera de Cultura",),
            *("el ministro de Economía|la ministra de Economía",),
            *("el presidente de la región|la presidenta de la región",),
            *("el diputado de Hacienda|la diputada de Hacienda",),
            *("el delegado de Turismo|la delegada de Turismo",),
            *("el gerente de Transportes|la gerente de Transportes",),
        ),
        "act": (
            *("ha anunciado", "ha aplazado", "ha aprobado", "ha defendido", "ha cancelado"),
            *("ha confirmado", "ha criticado", "ha negociado", "ha prometido", "ha rechazado"),
        ),
        "measure": (
            *("el alquiler", "el cierre", "el derribo", "el traslado", "la ampliación", "la apertura"),
            *("la compra", "la limpieza", "la mejora", "la reforma", "la rehabilitación", "la venta"),
        ),
        "site": (
            *("el cine", "el colegio", "el estadio", "el hospital", "el jardín", "el mercado", "el museo"),
            *("el parque", "el polideportivo", "el teatro", "la academia", "la biblioteca", "la cárcel"),
            *("la escuela", "la estación", "la guardería", "la piscina", "la plaza", "la residencia"),
            *("la universidad",),
        ),
        "aim": (
            *("ahorrar energía", "atender a más vecinos", "atraer visitantes", "crear empleo"),
            *("cumplir la ley", "reducir gastos", "ahorrar agua", "ayudar a los jóvenes"),
            *("bajar los impuestos", "cuidar el paisaje", "evitar accidentes", "ganar espacio"),
            *("mejorar el servicio", "pagar las deudas", "proteger a los mayores", "recuperar el centro"),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{who:{office}}, {who}, {act} {today} {measure:the} de {site:the}.",
                    "{who:{office}}, {who}, {act} {measure:the} de {site:the}",
                    "¿Quién {act} {measure:the} de {site:the}?",
                ),
                Way(
                    "Tras meses de dudas, {who} {act} {measure:the} de {site:the}, "
                    "según fuentes de su equipo.",
                    "{who} {act} {measure:the} de {site:the}",
                    "¿Quién {act} {measure:the} de {site:the}?",
                ),
                Way(
                    "«No había otra salida», ha dicho {who}, {who:{office}}, "
                    "que {act} {measure:the} de {site:the}.",
                    "{who:{office}} {who} {act} {measure:the} de {site:the}",
                    "¿Quién {act} {measure:the} de {site:the}?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "{site:the} está en {place} y recibe también a vecinos de {place2}.",
                    "de {place}",
                    "¿Dónde está {site:the}?",
                ),
                Way(
                    "La decisión afecta a {place}; en {place2}, por ahora, todo sigue igual.",
                    "en {place}",
                    "¿A qué ciudad afecta la decisión?",
                ),
                Way(
                    "La noticia llegó a {place}, la ciudad afectada, antes que a {place2}.",
                    "en la ciudad de {place}",
                    "¿Cuál es la ciudad afectada?",
                ),
            ),
        ),
        "count": Fact(
            "{n} millones",
            (
                Way(
                    "El coste final será de {n} millones de euros, y no de {n_before} millones, "
                    "como se calculó al principio.",
                    "por {n} millones de euros",
                    "¿De cuánto será el coste final?",
                ),
                Way(
                    "El plan costará {n} millones de euros, aunque el primer informe hablaba "
                    "de {n_before} millones.",
                    "con un plan de {n} millones de euros",
                    "¿Cuánto costará el plan?",
                ),
                Way(
                    "El presupuesto, que era de {n_before} millones de euros, ha quedado en {n} millones.",
                    "con {n} millones de presupuesto",
                    "¿En cuánto ha quedado el presupuesto?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{aim}",
            (
                Way(
                    "El objetivo, según el informe, es {aim} y no {aim2}.",
                    "con el fin de {aim}",
                    "¿Cuál es el objetivo?",
                ),
                Way(
                    "Con la medida se quiere {aim}, aunque otros partidos prefieren {aim2}.",
                    "para {aim}",
                    "¿Qué se quiere con la medida?",
                ),
                Way(
                    "Así será posible {aim}; {aim2} tendrá que esperar.",
                    "a fin de {aim}",
                    "¿Qué será posible así?",
                ),
            ),
        ),
        FROM,
    ),
    frames=("{what} {where}, {count}, {extra}.", "{what} {where}, {extra}, {count}."),
    asides=(
        (
            Aside(
                "{other:el vecino|la vecina} {other} no está de acuerdo: «¿Quién nos ha preguntado?».",
                "¿Quién no está de acuerdo?",
                "{other}",
            ),
            Aside(
                "{other}, que vive enfrente, lo celebra: «¡Ya era hora!».",
                "¿Quién vive enfrente?",
                "{other}",
            ),
        ),
        (
            Aside(
                "{third:el portavoz|la portavoz} de la oposición, {third}, pide {n_other} millones "
                "para {site2:the} de {place3}.",
                "¿Cuánto pide la oposición?",
                "{n_other} millones",
            ),
            Aside(
                "Como recuerda {third}, en {place3} se gastaron {n_other} millones en {site2:a} sin público.",
                "¿Quién recuerda lo que se gastó en {place3}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "El debate venía de lejos.",
        "Ha sido una semana larga en el ayuntamiento.",
        "La política local vuelve a la primera página.",
    ),
    background=(
        "El pleno duró más de cinco horas y acabó de madrugada.",
        "Los partidos pequeños no han dado a conocer su voto.",
        "Ningún gobierno anterior había llegado tan lejos en este asunto.",
    ),
    titles=(
        "{measure:the} de {site:the} divide a {place}",
        "{place} discute {measure:the} de {site:the}",
    ),
)

ECONOMY = Topic(
    name="economia",
    amounts=range(110, 990, 10),
    words={
        "brand": BRANDS,
        "sector": SECTORS,
        "act": (
            *("abrirá", "ampliará", "cerrará", "comprará", "venderá", "alquilará", "construirá"),
            *("instalará", "perderá", "recuperará", "reformará"),
        ),
        "site": (
            *("el almacén", "el garaje", "el hotel", "el invernadero", "el laboratorio", "el puerto"),
            *("el restaurante", "el taller", "la bodega", "la cantera", "la cooperativa", "la fábrica"),
            *("la granja", "la imprenta", "la mina", "la oficina", "la panadería", "la tienda"),
        ),
        "cause": (
            *("el cambio de socios", "el cierre de un banco", "el coste de la luz", "el miedo a la crisis"),
            *("el precio del transporte", "el retraso de los pagos", "la competencia extranjera"),
            *("la falta de espacio", "la falta de crédito", "la mala cosecha", "la marcha de un socio"),
            *("la moda del verano", "la nueva ley", "la presión de los bancos", "la subida de los precios"),
            *("la venta por internet",),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "La empresa {sector} {brand} {act} {site:a}, según ha confirmado "
                    "{who:su director|su directora}, {who}.",
                    "la empresa {sector} {brand}, que dirige {who}, {act} {site:a}",
                    "¿Quién dirige la empresa {brand}?",
                ),
                Way(
                    "{who}, al frente de la empresa {sector} {brand}, ha explicado {today} "
                    "que {act} {site:a}.",
                    "{who}, al frente de la empresa {sector} {brand}, {act} {site:a}",
                    "¿Quién está al frente de {brand}?",
                ),
                Way(
                    "«Es el momento», afirma {who:el director|la directora} de {brand}, {who}: "
                    "la firma {sector} {act} {site:a}.",
                    "{brand}, la firma {sector} de {who}, {act} {site:a}",
                    "¿Quién afirma que es el momento?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "El lugar elegido es {place}, aunque también se habló de {place2}.",
                    "en {place}",
                    "¿Cuál es el lugar elegido?",
                ),
                Way(
                    "Los cambios llegarán a la ciudad de {place} y no a {place2}, "
                    "donde está la sede central.",
                    "en la ciudad de {place}",
                    "¿A qué ciudad llegarán los cambios?",
                ),
                Way(
                    "Todo se hará cerca de {place}; en {place2} no habrá novedades.",
                    "cerca de {place}",
                    "¿Cerca de qué ciudad se hará todo?",
                ),
            ),
        ),
        "count": Fact(
            "{n}",
            (
                Way(
                    "La decisión afectará a {n} trabajadores, y no a {n_before}, como se dijo al principio.",
                    "lo que afecta a {n} trabajadores",
                    "¿A cuántos trabajadores afectará la decisión?",
                ),
                Way(
                    "La lista definitiva de empleados tiene {n} nombres; la primera tenía {n_before}.",
                    "con una lista de {n} empleados",
                    "¿Cuántos nombres tiene la lista definitiva?",
                ),
                Way(
                    "Según el último informe, el plan cuenta con {n} puestos de trabajo, "
                    "frente a los {n_before} del anterior.",
                    "con {n} puestos de trabajo",
                    "¿Con cuántos puestos de trabajo cuenta el plan?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{cause}",
            (
                Way(
                    "La razón es {cause:the}, más que {cause2:the}.",
                    "por {cause:the}",
                    "¿Cuál es la razón?",
                ),
                Way(
                    "Ha influido mucho {cause:the}; {cause2:the}, en cambio, no tanto.",
                    "por influencia de {cause:the}",
                    "¿Qué ha influido mucho?",
                ),
                Way(
                    "Se hablaba de {cause2:the}, pero lo que decidió el asunto fue {cause:the}.",
                    "a causa de {cause:the}",
                    "¿Qué decidió el asunto?",
                ),
            ),
        ),
        FROM,
    ),
    frames=("{what} {where}, {count}, {extra}.", "{what} {where}, {extra}, {count}."),
    asides=(
        (
            Aside(
                "{other}, del sindicato, pide más información: «¿Y nuestros puestos?».",
                "¿Quién pide más información?",
                "{other}",
            ),
            Aside(
                "«¡Qué sorpresa!», reconoce {other}, {other:empleado|empleada} de la casa.",
                "¿Quién reconoce su sorpresa?",
                "{other}",
            ),
        ),
        (
            Aside(
                "Su rival {brand2}, a las órdenes de {third}, tiene {n_other} trabajadores en {place3}.",
                "¿Cuántos trabajadores tiene {brand2}?",
                "{n_other}",
            ),
            Aside(
                "{third:el economista|la economista} {third} recuerda que {brand2} perdió "
                "{n_other} puestos en {place3}.",
                "¿Quién recuerda lo que perdió {brand2}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "La economía de la región se mueve.",
        "El mercado esperaba la noticia desde enero.",
        "Se acabaron las dudas en el sector.",
    ),
    background=(
        "La bolsa no ha notado la noticia.",
        "Los bancos han preferido no hacer comentarios.",
        "El sector vive un año de pocas ventas y muchos cambios.",
    ),
    titles=("{brand} {act} {site:a}", "{brand} mira a {place}"),
)

EVENTS = Topic(
    name="sucesos",
    amounts=range(32, 99),
    words={
        "event": (
            *("el accidente", "el choque de trenes", "el corte de luz", "el derrumbe", "el escape de gas"),
            *("el incendio", "el temblor", "la amenaza de bomba", "la avería eléctrica", "la explosión"),
            *("la fuga de agua", "la inundación", "la nube de humo", "la pelea", "la plaga de ratas"),
            *("la tormenta",),
        ),
        "act": (
            *("cerrar", "desalojar", "revisar", "vaciar", "abandonar", "acordonar", "inspeccionar"),
            *("limpiar", "proteger", "rodear", "vigilar"),
        ),
        "site": (
            *("el almacén", "el cine", "el colegio", "el garaje", "el hospital", "el hotel", "el mercado"),
            *("el museo", "el palacio", "el teatro", "la biblioteca", "la clínica", "la escuela"),
            *("la estación", "la fábrica", "la granja", "la iglesia", "la oficina", "la piscina"),
            *("la residencia", "la tienda"),
        ),
        "cause": (
            *("el cable suelto", "el camión averiado", "el cigarro mal apagado", "el descuido"),
            *("el error de obra", "el fallo del motor", "el golpe de viento", "el rayo", "el tubo oxidado"),
            *("la batería defectuosa", "la chispa", "la estufa antigua", "la grieta", "la máquina vieja"),
            *("la pieza rota", "la puerta abierta", "la tubería rota", "la vela encendida"),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{who:el jefe|la jefa} de bomberos, {who}, ha ordenado {today} "
                    "{act} {site:a} por {event:a}.",
                    "{who:el jefe|la jefa} de bomberos, {who}, ordena {act} {site:a} por {event:a}",
                    "¿Quién ha ordenado {act} {site:a}?",
                ),
                Way(
                    "{event:a} ha obligado a los bomberos, con {who} al frente, a {act} {site:a}.",
                    "{event:a} obliga a los bomberos de {who} a {act} {site:a}",
                    "¿Quién está al frente de los bomberos?",
                ),
                Way(
                    "{who}, {who:capitán|capitana} de los bomberos, ha contado cómo {event:the} "
                    "les obligó a {act} {site:a}.",
                    "{who:el capitán|la capitana} {who} cuenta cómo {event:the} obligó a {act} {site:a}",
                    "¿Quién ha contado cómo fue {event:the}?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "El aviso llegó desde {place}, y no desde {place2}, como dijo la radio.",
                    "en {place}",
                    "¿Desde dónde llegó el aviso?",
                ),
                Way(
                    "El centro de {place}, donde ocurrió todo, sigue cortado; los coches van por {place2}.",
                    "en el centro de {place}",
                    "¿En el centro de qué ciudad ocurrió todo?",
                ),
                Way(
                    "A la ciudad de {place} acudieron también los equipos de {place2}, "
                    "que ayudaron hasta la noche.",
                    "en la ciudad de {place}",
                    "¿A qué ciudad acudieron los equipos de {place2}?",
                ),
            ),
        ),
        "count": Fact(
            "{n}",
            (
                Way(
                    "El balance final es de {n} personas atendidas; el primero hablaba de {n_before}.",
                    "con {n} personas atendidas",
                    "¿De cuántas personas atendidas es el balance final?",
                ),
                Way(
                    "Al final salieron {n} vecinos, y no {n_before}, como se dijo por la mañana.",
                    "con la salida de {n} vecinos",
                    "¿Cuántos vecinos salieron al final?",
                ),
                Way(
                    "La lista definitiva suma {n} afectados, frente a los {n_before} de la primera hora.",
                    "con {n} afectados",
                    "¿Cuántos afectados suma la lista definitiva?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{cause}",
            (
                Way(
                    "Según el informe, la causa fue {cause:a} y no {cause2:a}.",
                    "a causa de {cause:a}",
                    "¿Cuál fue la causa, según el informe?",
                ),
                Way(
                    "Primero se pensó en {cause2:a}, pero el origen fue {cause:a}.",
                    "con {cause:a} como origen",
                    "¿Cuál fue el origen?",
                ),
                Way(
                    "Todo se debe a {cause:a}, aunque se llegó a hablar de {cause2:a}.",
                    "debido a {cause:a}",
                    "¿A qué se debe todo?",
                ),
            ),
        ),
        Fact(
            "{date}",
            (
                Way(
                    "Las puertas volverán a abrirse el {date}, y no el {date2}.",
                    "sin abrir las puertas hasta el {date}",
                    "¿Cuándo volverán a abrirse las puertas?",
                ),
                Way(
                    "Las obras de reforma terminarán el {date}, aunque el primer aviso hablaba del {date2}.",
                    "con obras hasta el {date}",
                    "¿Cuándo terminarán las obras de reforma?",
                ),
            ),
        ),
    ),
    frames=("{what} {where}, {count}, {extra}.", "{what} {where}, {extra}, {count}."),
    asides=(
        (
            Aside(
                "{other}, que lo vio desde la calle, aún tiembla: «¡Qué susto!».",
                "¿Quién lo vio desde la calle?",
                "{other}",
            ),
            Aside(
                "«¿Y ahora qué hacemos?», preguntaba {other}, {other:empleado|empleada} del lugar.",
                "¿Quién preguntaba qué hacer?",
                "{other}",
            ),
        ),
        (
            Aside(
                "Hace un año, {event2:a} en {place3} afectó a {n_other} personas, "
                "según {third:el médico|la médica} {third}.",
                "¿A cuántas personas afectó el suceso de {place3}?",
                "{n_other}",
            ),
            Aside(
                "{third:el médico|la médica} {third}, que llegó de {place3}, repartió {n_other} mantas.",
                "¿Quién llegó de {place3}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "El susto pasó pronto.",
        "La noche fue larga para los bomberos.",
        "Todo quedó en un susto.",
    ),
    background=(
        "Nadie tuvo que pasar la noche en el hospital.",
        "La policía ha pedido a los vecinos que no se acerquen.",
        "Los servicios sociales abrieron un comedor para los afectados.",
    ),
    titles=("{event:a} en {place} acaba sin heridos", "Susto en {place} por {event:a}"),
)

SPORTS = Topic(
    name="deportes",
    amounts=range(32, 99),
    words={
        "rank": (
            *("el campeón|la campeona", "el capitán|la capitana", "el joven|la joven"),
            *("el veterano|la veterana", "el atleta|la atleta", "el favorito|la favorita"),
            *("el líder|la líder", "el novato|la novata", "el suplente|la suplente"),
        ),
        "act": (
            *("ha abandonado", "ha conquistado", "ha ganado", "ha perdido", "ha completado", "ha disputado"),
            *("ha dominado", "ha revolucionado", "ha liderado", "ha terminado"),
        ),
        "event": (
            *("el campeonato de ajedrez", "el campeonato de judo", "el descenso en piragua"),
            *("el duelo de esgrima", "el maratón", "el torneo de tenis", "el torneo de golf"),
            *("el triatlón", "la carrera ciclista", "la carrera de montaña", "la copa de natación"),
            *("la final de pádel", "la liga de remo", "la prueba de salto", "la regata"),
            *("la travesía a nado", "la vuelta a caballo"),
        ),
        "trouble": (
            *("el barro", "el calor", "el cansancio", "el dolor de espalda", "el frío", "el polvo"),
            *("el ruido", "el sueño", "el viento", "la altura", "la caída", "la lesión de rodilla"),
            *("la lluvia", "la mala suerte", "la niebla", "la presión", "la sed", "la tensión"),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{who:{rank}} {who} {act} {today} {event:the}.",
                    "{who:{rank}} {who} {act} {event:the}",
                    "¿Quién {act} {event:the}?",
                ),
                Way(
                    "Contra todo pronóstico, {who} {act} {event:the}.",
                    "{who} {act} contra todo pronóstico {event:the}",
                    "¿Quién {act} {event:the}?",
                ),
                Way(
                    "La noticia del día es que {who}, {who:{rank}} del club, {act} {event:the}.",
                    "{who}, {who:{rank}} del club, {act} {event:the}",
                    "¿Quién {act} {event:the}?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "La prueba se disputó en {place}, después de la negativa de {place2}.",
                    "de {place}",
                    "¿Dónde se disputó la prueba?",
                ),
                Way(
                    "La ciudad de {place} ha acogido la cita, que el año próximo viajará a {place2}.",
                    "en la ciudad de {place}",
                    "¿Qué ciudad ha acogido la cita?",
                ),
                Way(
                    "El público de {place} animó sin parar; el de {place2} lo vio por la televisión.",
                    "ante el público de {place}",
                    "¿De dónde era el público que animó sin parar?",
                ),
            ),
        ),
        "count": Fact(
            "{n} minutos",
            (
                Way(
                    "El reloj oficial marcó {n} minutos; el de la televisión, {n_before}.",
                    "tras {n} minutos",
                    "¿Cuánto marcó el reloj oficial?",
                ),
                Way(
                    "Los jueces corrigieron el tiempo: fueron {n} minutos y no {n_before}.",
                    "después de {n} minutos",
                    "¿Qué tiempo dieron los jueces?",
                ),
                Way(
                    "Todo acabó en {n} minutos, frente a los {n_before} del año pasado.",
                    "en solo {n} minutos",
                    "¿En cuánto tiempo acabó todo?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{trouble}",
            (
                Way(
                    "El mayor problema fue {trouble:the}, más que {trouble2:the}.",
                    "en un día marcado por {trouble:the}",
                    "¿Cuál fue el mayor problema?",
                ),
                Way(
                    "Todos hablaban de {trouble2:the}, pero el verdadero rival fue {trouble:the}.",
                    "con {trouble:the} como rival",
                    "¿Cuál fue el verdadero rival?",
                ),
                Way(
                    "Se notó mucho {trouble:the}; {trouble2:the}, en cambio, no tanto.",
                    "con {trouble:the} en contra",
                    "¿Qué se notó mucho?",
                ),
            ),
        ),
        Fact(
            "{date}",
            (
                Way(
                    "Su próxima cita será el {date}, ya que no podrá estar en la del {date2}.",
                    "y volverá a competir el {date}",
                    "¿Cuándo será su próxima cita?",
                ),
                Way(
                    "Ya piensa en la prueba del {date}, más dura que la del {date2}.",
                    "y ya piensa en la prueba del {date}",
                    "¿Qué día es la prueba en la que ya piensa?",
                ),
            ),
        ),
    ),
    frames=("{what} {where} {count}, {extra}.", "{count}, {what} {where}, {extra}."),
    asides=(
        (
            Aside(
                "Su rival, {other}, no puso excusas: «¡Otra vez será!».",
                "¿Quién es su rival?",
                "{other}",
            ),
            Aside(
                "{other:el entrenador|la entrenadora}, {other}, se quedó sin voz: "
                "«¿Qué más se puede pedir?».",
                "¿Quién se quedó sin voz?",
                "{other}",
            ),
        ),
        (
            Aside(
                "En {place3}, {third} necesitó {n_other} minutos en {event2:the}.",
                "¿Cuánto necesitó {third}?",
                "{n_other} minutos",
            ),
            Aside(
                "{third:el periodista|la periodista} {third} recordó los {n_other} minutos "
                "de {event2:the} de {place3}.",
                "¿Quién recordó {event2:the} de {place3}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "Hay tardes que no se olvidan.",
        "El deporte español vivió un día distinto.",
        "Fue una jornada para el recuerdo.",
    ),
    background=(
        "El club pagará el viaje de vuelta a los aficionados.",
        "La televisión pública dio la prueba en directo.",
        "Las entradas se habían acabado hace varias semanas.",
    ),
    titles=("{who} y {event:the} de {place}", "{place} vive {event:the}"),
)

CULTURE = Topic(
    name="cultura",
    amounts=range(32, 99),
    words={
        "trade": (
            *("el artista|la artista", "el autor|la autora", "el creador|la creadora"),
            *("el director|la directora", "el escritor|la escritora", "el guionista|la guionista"),
            *("el pintor|la pintora", "el poeta|la poeta"),
        ),
        "act": (
            *("estrena", "ofrece", "prepara", "presenta", "anuncia", "defiende", "comenta", "firma"),
            *("muestra", "promociona", "termina"),
        ),
        "work": (
            *("el ballet", "el cuento", "el cómic", "el disco", "el documental", "el mural", "el musical"),
            *("el poema", "la comedia", "la exposición", "la novela", "la obra de teatro", "la película"),
            *("la serie", "la sinfonía", "la zarzuela", "la ópera"),
        ),
        "title": WORK_TITLES,
        "theme": (
            *("el amor", "el dinero", "el exilio", "el mar", "el miedo", "el olvido", "el silencio"),
            *("el tiempo", "el trabajo", "la amistad", "la familia", "la guerra", "la infancia"),
            *("la memoria", "la pobreza", "la risa", "la soledad", "la vejez", "la verdad"),
            *("la vida en el campo",),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{who:{trade}} {who} {act} {today} {work:the} «{title}».",
                    "{who:{trade}} {who} {act} {work:the} «{title}»",
                    "¿Quién {act} {work:the}?",
                ),
                Way(
                    "«{title}» se llama {work:the} que {act} {who}, lejos de «{title2}», "
                    "su trabajo anterior.",
                    "{who} {act} {work:a} {work:titulado|titulada} «{title}»",
                    "¿Quién {act} {work:the}?",
                ),
                Way(
                    "Con «{title}», {work:a} que {act} estos días, vuelve {who}, "
                    "{who:{trade}} de «{title2}».",
                    "{who} vuelve con {work:a} {work:llamado|llamada} «{title}»",
                    "¿Quién vuelve estos días?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "La cita será en {place}, antes de pasar por {place2}.",
                    "en {place}",
                    "¿Dónde será la cita?",
                ),
                Way(
                    "El público de {place} tendrá ese honor; después llegará el turno de {place2}.",
                    "ante el público de {place}",
                    "¿El público de qué ciudad tendrá ese honor?",
                ),
                Way(
                    "El festival de {place} se ha adelantado al de {place2}.",
                    "en el festival de {place}",
                    "¿Qué festival se ha adelantado?",
                ),
            ),
        ),
        "count": Fact(
            "{n} mil euros",
            (
                Way(
                    "El premio es de {n} mil euros, frente a los {n_before} mil del año pasado.",
                    "y recibe {n} mil euros de premio",
                    "¿De cuánto es el premio?",
                ),
                Way(
                    "La ayuda pública ha sido de {n} mil euros, aunque se habían pedido {n_before} mil.",
                    "con {n} mil euros de ayuda",
                    "¿De cuánto ha sido la ayuda pública?",
                ),
                Way(
                    "El trabajo ha costado {n} mil euros, y no {n_before} mil, como se calculó al principio.",
                    "por {n} mil euros",
                    "¿Cuánto ha costado el trabajo?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{theme}",
            (
                Way(
                    "El asunto de fondo es {theme:the}, y no {theme2:the}, como otras veces.",
                    "con una historia sobre {theme:the}",
                    "¿Cuál es el asunto de fondo?",
                ),
                Way(
                    "Los expertos destacan cómo mira a {theme:the}; {theme2:the} queda lejos.",
                    "con una mirada a {theme:the}",
                    "Según los expertos, ¿a qué mira la obra?",
                ),
                Way(
                    "Antes le interesaba {theme2:the}, pero ahora el tema es {theme:the}.",
                    "con {theme:the} como tema",
                    "¿Cuál es ahora el tema?",
                ),
            ),
        ),
        FROM,
    ),
    frames=("{what} {where}, {count}, {extra}.", "{what}, {extra}, {where}, {count}."),
    asides=(
        (
            Aside(
                "{other}, que firma la música, está feliz: «¡Ha sido un regalo!».",
                "¿Quién firma la música?",
                "{other}",
            ),
            Aside(
                "{other:el crítico|la crítica} {other} tiene dudas: «¿Era necesario?».",
                "¿Quién tiene dudas?",
                "{other}",
            ),
        ),
        (
            Aside(
                "En {place3}, {third} ganó {n_other} mil euros con {work2:a}.",
                "¿Cuánto ganó {third}?",
                "{n_other} mil euros",
            ),
            Aside(
                "Hace un año, {third} perdió {n_other} mil euros con {work2:a} en {place3}.",
                "¿Quién perdió dinero en {place3}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "La espera ha terminado.",
        "La cultura también tiene sus sorpresas.",
        "El otoño viene cargado de novedades.",
    ),
    background=(
        "Las entradas se pondrán a la venta la próxima semana.",
        "El público joven ha respondido mejor que nunca.",
        "Pocas veces se había visto tanta prensa en la sala.",
    ),
    titles=("Llega {work:the} «{title}»", "«{title}», {work:a} de {who}"),
)

SCIENCE = Topic(
    name="ciencia",
    amounts=range(110, 990, 10),
    words={
        "job": (
            *("el biólogo|la bióloga", "el científico|la científica", "el investigador|la investigadora"),
            *("el profesor|la profesora", "el estudiante|la estudiante", "el experto|la experta"),
            *("el veterinario|la veterinaria", "el zoólogo|la zoóloga"),
        ),
        "act": (
            *("ha descrito", "ha descubierto", "ha estudiado", "ha fotografiado", "ha clasificado"),
            *("ha encontrado", "ha filmado", "ha grabado", "ha identificado", "ha localizado"),
        ),
        "species": (
            *("el búho", "el cangrejo", "el caracol", "el escarabajo", "el lagarto", "el murciélago"),
            *("el pez", "el pulpo", "el ratón", "el sapo", "la abeja", "la araña", "la avispa"),
            *("la hormiga", "la mariposa", "la medusa", "la rana", "la serpiente", "la tortuga"),
        ),
        "trait": (
            *("ciego|ciega", "desconocido|desconocida", "diminuto|diminuta", "gigante|gigante"),
            *("rojo|roja", "blanco|blanca", "dorado|dorada", "enano|enana", "negro|negra"),
            *("nocturno|nocturna", "peludo|peluda", "transparente|transparente", "venenoso|venenosa"),
            *("verde|verde",),
        ),
        "means": (
            *("el barco", "el dron", "el globo", "el microscopio", "el micrófono", "el robot"),
            *("el satélite", "el sensor", "el submarino", "la antena", "la cámara de calor", "la linterna"),
            *("la lámpara especial", "la red de voluntarios", "la sonda", "la trampa de luz"),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{who:{job}} {who} {act} {species:a} {species:{trait}}, "
                    "según ha explicado {today} su universidad.",
                    "{who:{job}} {who} {act} {species:a} {species:{trait}}",
                    "¿Quién {act} {species:a} {species:{trait}}?",
                ),
                Way(
                    "El equipo de {who} {act} {species:a} {species:{trait}} tras una larga búsqueda.",
                    "el equipo de {who} {act} {species:a} {species:{trait}}",
                    "¿De quién es el equipo que {act} {species:a}?",
                ),
                Way(
                    "«Fue un golpe de suerte», cuenta {who}, {who:{job}} que {act} "
                    "{species:a} {species:{trait}}.",
                    "{who} {act} {species:a} {species:{trait}}",
                    "¿Quién cuenta que fue un golpe de suerte?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "El hallazgo se produjo cerca de {place}, aunque el laboratorio está en {place2}.",
                    "cerca de {place}",
                    "¿Cerca de dónde se produjo el hallazgo?",
                ),
                Way(
                    "El animal vive en un valle de {place}; en {place2} no se ha visto ninguno.",
                    "en un valle de {place}",
                    "¿De dónde es el valle en que vive el animal?",
                ),
                Way(
                    "Una cueva de {place} guardaba el secreto, y no la de {place2}, donde se buscó primero.",
                    "en una cueva de {place}",
                    "¿De dónde es la cueva que guardaba el secreto?",
                ),
            ),
        ),
        "count": Fact(
            "{n}",
            (
                Way(
                    "Hicieron falta {n} pruebas, y no {n_before}, como se calculó al principio.",
                    "tras {n} pruebas",
                    "¿Cuántas pruebas hicieron falta?",
                ),
                Way(
                    "En total se han contado {n} ejemplares; el primer informe hablaba de {n_before}.",
                    "tras contar {n} ejemplares",
                    "¿Cuántos ejemplares se han contado?",
                ),
                Way(
                    "El trabajo duró {n} noches, frente a las {n_before} del plan anterior.",
                    "después de {n} noches de trabajo",
                    "¿Cuántas noches duró el trabajo?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{means}",
            (
                Way(
                    "Todo fue posible gracias a {means:a}, más que a {means2:a}.",
                    "gracias a {means:a}",
                    "¿Gracias a qué fue posible todo?",
                ),
                Way(
                    "Ayudó mucho {means:a}; {means2:a}, en cambio, no sirvió de nada.",
                    "con la ayuda de {means:a}",
                    "¿Qué ayudó mucho?",
                ),
                Way(
                    "Primero se probó con {means2:a}, pero al final se usó {means:a}.",
                    "con el uso de {means:a}",
                    "¿Qué se usó al final?",
                ),
            ),
        ),
        Fact(
            "{date}",
            (
                Way(
                    "Los datos se publicarán el {date}, y no el {date2}.",
                    "y los datos se publicarán el {date}",
                    "¿Cuándo se publicarán los datos?",
                ),
                Way(
                    "El siguiente viaje será el {date}, después de descartar el {date2}.",
                    "y el siguiente viaje será el {date}",
                    "¿Cuándo será el siguiente viaje?",
                ),
            ),
        ),
    ),
    frames=("{what} {where}, {count}, {extra}.", "{count}, {what} {where}, {extra}."),
    asides=(
        (
            Aside(
                "{other}, que no estuvo en el viaje, pide calma: «¿Y si hay un error?».",
                "¿Quién no estuvo en el viaje?",
                "{other}",
            ),
            Aside(
                "«¡Qué maravilla!», escribió {other} desde otro laboratorio.",
                "¿Quién escribió desde otro laboratorio?",
                "{other}",
            ),
        ),
        (
            Aside(
                "Hace un año, {third} contó {n_other} ejemplares de {species2:a} en {place3}.",
                "¿Cuántos ejemplares contó {third}?",
                "{n_other}",
            ),
            Aside(
                "La idea fue de {third}, que pasó {n_other} noches en {place3} en busca de {species2:a}.",
                "¿De quién fue la idea?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "La naturaleza aún guarda secretos.",
        "La ciencia española está de fiesta.",
        "Nadie creía que fuera posible.",
    ),
    background=(
        "La universidad ha pedido más dinero para seguir.",
        "El museo quiere enseñar las fotografías a los niños.",
        "El clima de los últimos años hace más difícil este trabajo.",
    ),
    titles=("{species:a} {species:{trait}} en {place}", "El secreto de {place}"),
)

SOCIETY = Topic(
    name="sociedad",
    amounts=range(110, 990, 10),
    words={
        "group": (
            *("las enfermeras", "las limpiadoras", "los agricultores", "los jubilados", "los maestros"),
            *("los taxistas", "las cajeras", "las cocineras", "las farmacéuticas", "las profesoras"),
            *("los camareros", "los camioneros", "los carteros", "los estudiantes", "los ganaderos"),
            *("los pescadores",),
        ),
        "act": (
            *("acampan", "cortan el tráfico", "hacen huelga", "se manifiestan", "bloquean la carretera"),
            *("cantan en la plaza", "cierran la calle", "encienden velas", "marchan", "ocupan la estación"),
            *("protestan", "se concentran"),
        ),
        "slogan": SLOGANS,
        "against": (
            *("el cierre del hospital", "el despido de un maestro", "el horario nuevo", "el plan de obras"),
            *("el precio del suelo", "el recorte de sueldos", "el ruido de los bares", "el uso del río"),
            *("la falta de personal", "la ley de alquileres", "la mina", "la nueva autopista"),
            *("la reforma de la escuela", "la subida del alquiler", "la tala de árboles"),
            *("la venta del bosque",),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{group} {act} {today} con el lema «{slogan}» y con {who} al frente.",
                    "{group} de {who} {act} con el lema «{slogan}»",
                    "¿Quién está al frente de {group}?",
                ),
                Way(
                    "Al grito de «{slogan}», {group} {act} junto a {who}, que habla por todo el grupo.",
                    "{group} {act} junto a {who} y gritan «{slogan}»",
                    "¿Quién habla por todo el grupo?",
                ),
                Way(
                    "{who} lleva semanas al frente de la protesta: {group} {act} y repiten «{slogan}».",
                    "{group} de {who} {act} y repiten «{slogan}»",
                    "¿Quién lleva semanas al frente de la protesta?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "La protesta llena el centro de {place}; en {place2} se ha suspendido.",
                    "en el centro de {place}",
                    "¿El centro de qué ciudad llena la protesta?",
                ),
                Way(
                    "Este año la cita es en {place}, y no en {place2}, como otras veces.",
                    "en {place}",
                    "¿Dónde es la cita este año?",
                ),
                Way(
                    "A la ciudad de {place} han llegado también autobuses de {place2}.",
                    "en la ciudad de {place}",
                    "¿A qué ciudad han llegado los autobuses?",
                ),
            ),
        ),
        "count": Fact(
            "{n}",
            (
                Way(
                    "La policía ha contado {n} personas; la radio hablaba de {n_before}.",
                    "con {n} personas según la policía",
                    "¿Cuántas personas ha contado la policía?",
                ),
                Way(
                    "Según el recuento oficial hay {n} vecinos, frente a los {n_before} del primer cálculo.",
                    "con un recuento de {n} vecinos",
                    "¿Cuántos vecinos hay según el recuento oficial?",
                ),
                Way(
                    "Los agentes calculan {n} asistentes, aunque por la mañana se hablaba de {n_before}.",
                    "ante {n} asistentes",
                    "¿Cuántos asistentes calculan los agentes?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{against}",
            (
                Way(
                    "El motivo es {against:the}; {against2:the} se discutirá más adelante.",
                    "contra {against:the}",
                    "¿Cuál es el motivo?",
                ),
                Way(
                    "Rechazan {against:the}, un problema mayor que {against2:the}.",
                    "en rechazo a {against:the}",
                    "¿Qué rechazan?",
                ),
                Way(
                    "En el origen está {against:the}, y no {against2:the}.",
                    "por {against:the}",
                    "¿Qué está en el origen?",
                ),
            ),
        ),
        Fact(
            "{date}",
            (
                Way(
                    "La próxima protesta será el {date}, ya que la del {date2} se ha suspendido.",
                    "y volverán a la calle el {date}",
                    "¿Cuándo será la próxima protesta?",
                ),
                Way(
                    "Esperan una respuesta antes del {date}, y no del {date2}, como dijo la radio.",
                    "y esperan respuesta antes del {date}",
                    "¿Antes de qué día esperan una respuesta?",
                ),
            ),
        ),
    ),
    frames=("{what} {where}, {count}, {extra}.", "{where}, {count}, {what}, {extra}."),
    asides=(
        (
            Aside(
                "{other}, que tiene una tienda en la plaza, se queja: «¿Quién va a comprar hoy?».",
                "¿Quién tiene una tienda en la plaza?",
                "{other}",
            ),
            Aside(
                "«¡Estamos con ellos!», dice desde la ventana {other}.",
                "¿Quién habla desde la ventana?",
                "{other}",
            ),
        ),
        (
            Aside(
                "En {place3}, {third} reunió el mes pasado a {n_other} personas.",
                "¿A cuántas personas reunió {third}?",
                "{n_other}",
            ),
            Aside(
                "{third}, del gobierno local, recuerda que en {place3} fueron {n_other}.",
                "¿Quién recuerda la protesta de {place3}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "La calle vuelve a hablar.",
        "Los ánimos estaban calientes desde hacía meses.",
        "No es la primera vez ni será la última.",
    ),
    background=(
        "No ha habido problemas con la policía.",
        "El gobierno dice que escucha, pero pide tiempo.",
        "Muchas familias acudieron con sus niños.",
    ),
    titles=("«{slogan}», piden {group}", "{group} {act} en {place}"),
)

WEATHER = Topic(
    name="clima",
    amounts=range(32, 99),
    words={
        "storm": (
            *("el frío", "el granizo", "el hielo", "el huracán", "el temporal", "el viento"),
            *("la crecida del río", "la lluvia", "la niebla", "la nieve", "la ola de calor", "la sequía"),
            *("la tormenta", "la ventisca"),
        ),
        "act": (
            *("aísla", "amenaza", "azota", "bloquea", "castiga", "cierra", "golpea", "inutiliza"),
            *("paraliza", "sorprende"),
        ),
        "site": (
            *("el aeropuerto", "el camino", "el centro comercial", "el estadio", "el hospital"),
            *("el mercado", "el metro", "el parque", "el puerto", "el tren", "la autopista"),
            *("la carretera", "la estación", "la feria", "la línea de autobús", "la playa", "la plaza"),
            *("la universidad",),
        ),
        "lack": (
            *("agua", "autobuses", "clases", "luz", "teléfono", "calefacción", "comida", "correo", "gas"),
            *("internet", "leche", "medicinas", "pan", "transporte"),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{storm:the} {act} {today} {site:the}, según {who:el portavoz|la portavoz} "
                    "de Emergencias, {who}.",
                    "según {who}, {storm:the} {act} {site:the}",
                    "¿Quién habla por Emergencias?",
                ),
                Way(
                    "{who}, de la agencia del tiempo, lo dice así: {storm:the} {act} {site:the}.",
                    "{who} avisa de que {storm:the} {act} {site:the}",
                    "¿Quién es de la agencia del tiempo?",
                ),
                Way(
                    "«No recuerdo nada igual», asegura {who:el experto|la experta} {who} "
                    "sobre {storm:the} que {act} {site:the}.",
                    "{who:el experto|la experta} {who} estudia {storm:the} que {act} {site:the}",
                    "¿Quién no recuerda nada igual?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "Lo peor se ha vivido en {place}; en {place2} apenas hubo problemas.",
                    "en {place}",
                    "¿Dónde se ha vivido lo peor?",
                ),
                Way(
                    "Se trata de {site:the} de {place}, y no {site:del|de la} de {place2}.",
                    "de {place}",
                    "¿De qué ciudad es {site:the}?",
                ),
                Way(
                    "La ciudad de {place} ha pedido ayuda a {place2}, que enviará un equipo.",
                    "en la ciudad de {place}",
                    "¿Qué ciudad ha pedido ayuda?",
                ),
            ),
        ),
        "count": Fact(
            "{n} horas",
            (
                Way(
                    "La situación durará {n} horas, y no {n_before}, como se calculó al principio.",
                    "durante {n} horas",
                    "¿Cuánto durará la situación?",
                ),
                Way(
                    "Serán {n} horas de espera, aunque el primer aviso hablaba de {n_before}.",
                    "con {n} horas de espera",
                    "¿De cuánto será la espera?",
                ),
                Way(
                    "La alerta oficial es de {n} horas, frente a las {n_before} del año pasado.",
                    "con una alerta de {n} horas",
                    "¿De cuánto es la alerta oficial?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{lack}",
            (
                Way(
                    "Los vecinos están sin {lack}, pero no sin {lack2}.",
                    "y deja a los vecinos sin {lack}",
                    "¿Sin qué están los vecinos?",
                ),
                Way(
                    "No hay {lack} desde la noche; lo de {lack2} ya se ha arreglado.",
                    "con los vecinos sin {lack}",
                    "¿Qué no hay desde la noche?",
                ),
                Way(
                    "El mayor problema es la falta de {lack}, más que la de {lack2}.",
                    "y se nota la falta de {lack}",
                    "¿De qué hay falta?",
                ),
            ),
        ),
        Fact(
            "{date}",
            (
                Way(
                    "Habrá ayudas hasta el {date}, y no hasta el {date2}, como dijo la radio.",
                    "con ayudas hasta el {date}",
                    "¿Hasta cuándo habrá ayudas?",
                ),
                Way(
                    "Las obras de reforma terminarán el {date}, aunque el primer aviso hablaba del {date2}.",
                    "con obras hasta el {date}",
                    "¿Cuándo terminarán las obras de reforma?",
                ),
            ),
        ),
    ),
    frames=("{what} {where}, {count}, {extra}.", "{what} {where}, {extra}, {count}."),
    asides=(
        (
            Aside(
                "{other}, que iba a viajar hoy, no lo entiende: «¿Por qué no avisaron?».",
                "¿Quién iba a viajar hoy?",
                "{other}",
            ),
            Aside(
                "«¡Menos mal que estamos bien!», dice {other}, {other:vecino|vecina} del barrio.",
                "¿Quién es del barrio?",
                "{other}",
            ),
        ),
        (
            Aside(
                "Hace un año, {storm2:the} duró {n_other} horas en {place3}, según recuerda {third}.",
                "¿Cuánto duró {storm2:the} en {place3}?",
                "{n_other} horas",
            ),
            Aside(
                "{third} llegó de {place3} tras {n_other} horas de viaje.",
                "¿Quién llegó de {place3}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "El cielo no da tregua.",
        "El tiempo ha cambiado los planes de todos.",
        "Ya lo decían los mayores del lugar.",
    ),
    background=(
        "Los equipos de ayuda han trabajado toda la noche.",
        "Se pide a los vecinos que no salgan en coche.",
        "El campo, en cambio, esperaba este tiempo desde hacía meses.",
    ),
    titles=("{storm:the} {act} {site:the} de {place}", "{place} mira al cielo"),
)

JUSTICE = Topic(
    name="justicia",
    amounts=range(32, 99),
    words={
        "brand": BRANDS,
        "sector": SECTORS,
        "act": (
            *("amonesta", "castiga", "condena", "inhabilita", "multa", "penaliza", "reprende", "sanciona"),
        ),
        "fault": (
            *("el cobro indebido", "el contrato falso", "el despido de un empleado"),
            *("el engaño a los clientes", "el fraude fiscal", "el robo de datos", "el ruido nocturno"),
            *("el trabajo sin contrato", "el vertido al río", "la contaminación del agua"),
            *("la copia de un diseño", "la deuda con los socios", "la falta de higiene"),
            *("la falta de seguridad", "la publicidad falsa", "la venta sin permiso"),
        ),
    },
    facts={
        "what": Fact(
            "{who}",
            (
                Way(
                    "{who:el juez|la jueza} {who} {act} {today} a la empresa {sector} {brand}.",
                    "{who:el juez|la jueza} {who} {act} a la empresa {sector} {brand}",
                    "¿Quién {act} a {brand}?",
                ),
                Way(
                    "La sentencia no deja dudas: {who}, al frente del tribunal, {act} a {brand}, "
                    "la compañía {sector}.",
                    "{who}, al frente del tribunal, {act} a la compañía {sector} {brand}",
                    "¿Quién está al frente del tribunal?",
                ),
                Way(
                    "«La ley es igual para todos», ha escrito {who}, {who:el juez|la jueza} "
                    "que {act} a la firma {sector} {brand}.",
                    "{who} {act} a la firma {sector} {brand}",
                    "¿Quién ha escrito que la ley es igual para todos?",
                ),
            ),
        ),
        "where": Fact(
            "{place}",
            (
                Way(
                    "Los hechos ocurrieron en {place}, aunque la sede central está en {place2}.",
                    "por los hechos de {place}",
                    "¿Dónde ocurrieron los hechos?",
                ),
                Way(
                    "El juicio se ha celebrado en {place}, y no en {place2}, como pedían los abogados.",
                    "en un juicio en {place}",
                    "¿Dónde se ha celebrado el juicio?",
                ),
                Way(
                    "Las quejas llegaron de {place}; de {place2} no hubo ninguna.",
                    "tras las quejas de {place}",
                    "¿De dónde llegaron las quejas?",
                ),
            ),
        ),
        "count": Fact(
            "{n} mil euros",
            (
                Way(
                    "La empresa pagará {n} mil euros, y no los {n_before} mil que se pedían al principio.",
                    "y fija el pago en {n} mil euros",
                    "¿Cuánto pagará la empresa?",
                ),
                Way(
                    "La cantidad final es de {n} mil euros; la otra parte quería {n_before} mil.",
                    "con un pago final de {n} mil euros",
                    "¿De cuánto es la cantidad final?",
                ),
                Way(
                    "El castigo ha quedado en {n} mil euros, frente a los {n_before} mil del primer juicio.",
                    "con un castigo de {n} mil euros",
                    "¿En cuánto ha quedado el castigo?",
                ),
            ),
        ),
    },
    extras=(
        Fact(
            "{fault}",
            (
                Way(
                    "El motivo es {fault:the}; {fault2:the} no se pudo probar.",
                    "por {fault:the}",
                    "¿Cuál es el motivo?",
                ),
                Way(
                    "Para el tribunal, {fault:the} fue más grave que {fault2:the}.",
                    "a causa de {fault:the}",
                    "¿Qué fue más grave para el tribunal?",
                ),
                Way(
                    "Se hablaba de {fault2:the}, pero lo que decidió el asunto fue {fault:the}.",
                    "debido a {fault:the}",
                    "¿Qué decidió el asunto?",
                ),
            ),
        ),
        Fact(
            "{date}",
            (
                Way(
                    "El plazo termina el {date}, aunque el primer aviso hablaba del {date2}.",
                    "con plazo hasta el {date}",
                    "¿Cuándo termina el plazo?",
                ),
                Way(
                    "El dinero tendrá que llegar antes del {date}, y no del {date2}, como dijo la radio.",
                    "con fecha límite el {date}",
                    "¿Antes de qué día tendrá que llegar el dinero?",
                ),
            ),
        ),
    ),
    frames=("{what} {where}, {count}, {extra}.", "{what} {where}, {extra}, {count}."),
    asides=(
        (
            Aside(
                "{other}, que defiende a la empresa, no está de acuerdo: «¿Dónde están las pruebas?».",
                "¿Quién defiende a la empresa?",
                "{other}",
            ),
            Aside(
                "«¡Por fin!», gritó {other}, que llevaba años de quejas.",
                "¿Quién llevaba años de quejas?",
                "{other}",
            ),
        ),
        (
            Aside(
                "Hace un año, {brand2} pagó {n_other} mil euros por un caso parecido en {place3}, "
                "según {third}.",
                "¿Cuánto pagó {brand2}?",
                "{n_other} mil euros",
            ),
            Aside(
                "{third:el abogado|la abogada} {third} ganó {n_other} mil euros a {brand2} en {place3}.",
                "¿Quién ganó el caso de {brand2}?",
                "{third}",
            ),
        ),
    ),
    openings=(
        "El caso llega a su fin.",
        "La justicia ha hablado.",
        "Han sido tres años de papeles y de espera.",
    ),
    background=(
        "La sala estaba llena desde primera hora.",
        "Aún es posible llevar el caso a otro tribunal.",
        "La sentencia tiene más de cien páginas.",
    ),
    titles=("{who} {act} a {brand}", "Sentencia en {place} por {fault:the}"),
)

TOPICS = (POLITICS, ECONOMY, EVENTS, SPORTS, CULTURE, SCIENCE, SOCIETY, WEATHER, JUSTICE)

BACKGROUND = (
    "No se esperan otros cambios antes del fin de semana.",
    "El asunto volverá a tratarse en las próximas semanas.",
    "La prensa local sigue el caso desde el principio y publica nuevos datos cada semana.",
    "Al cierre de esta edición no quedaban preguntas por hacer.",
    "Nadie ha querido dar detalles por teléfono, ni siquiera los que estaban presentes.",
    "El encuentro con la prensa fue breve y sin preguntas.",
    "Todo llega en una temporada dura para la región, con poco dinero y muchos problemas.",
    "Los expertos piden calma y un poco de tiempo antes de sacar conclusiones.",
    "En la calle hay opiniones para todos los gustos.",
    "Algo parecido se dijo en enero, pero entonces nadie le dio importancia.",
    "Muchos jóvenes han seguido la noticia con interés.",
    "La noticia se comentó durante toda la tarde en la radio y en los bares.",
    "Hay quien piensa que se pudo hacer antes y mejor.",
    "Lo que pase a partir de ahora depende de muchas cosas.",
)
