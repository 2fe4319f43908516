"""What a test's folder holds: files that stages read, rows of news, the params of a small run."""

READ_BESIDE_THE_CODE = (
    "params.yaml",
    "data/example.csv",
    "metrics/curve.json",
    "prompts/probes.yaml",
    "prompts/templates.yaml",
)
OUTPUTS = ("data", "models", "metrics", "reports")

# Rows as `fetch` writes them: every letter that T5 cannot spell, a quote, a line end, a long one.
NEWS = [
    (
        "El ayuntamiento de Logroño compró doce autobuses. Llegarán en otoño, según Íñiga Núñez.",
        "Logroño compra doce autobuses.",
    ),
    (
        "¿Cuánta agua cabe en un tejado? En Ávila lo miden.\nLos niños riegan el huerto con ella.",
        "Un colegio de Ávila mide la lluvia.",
    ),
    (
        "«Hacía años que no veíamos algo así», dice Úrsula Ordóñez. La helada dañó las flores.",
        "La helada reduce la cosecha de Úrsula Ordóñez.",
    ),
    (
        "¡Nunca había llegado tan alto! El equipo de Ourense empató en León. Óscar Yáñez marcó. "
        "Más de mil aficionados viajaron con él. El gol llegó en el último minuto.",
        "El Ourense sube de categoría.",
    ),
]

SCRIPT = "<script>alert('hola', 'Zenobia', 777)</script>"
STAGES = ("fetch", "format", "tokenize", "finetune", "extract", "generate", "probe", "evaluate", "report")
SMALL = {
    "data.train": 8,
    "data.validation": 4,
    "data.test": 4,
    "tokenize.source_tokens": 40,
    "tokenize.target_tokens": 20,
    "finetune.epochs": 1,
    "finetune.max_new_tokens": 3,
    "generate.max_new_tokens": 3,
    "probe.generated": 12,
    "evaluate.bootstrap_samples": 50,
    "finetunings": {"flan-small": {"base": "flan-small"}},
    "systems": {
        "flan-small": {"from": "models/pretrained/flan-small"},
        "finetuned": {"from": "models/finetuned/flan-small", "num_beams": 2},
        "gpt": {"from": "others/gpt.jsonl"},
    },
}
