"""Sentences that home-assistant-intents lacks in other languages than English.

Few, and only such as are surely right; more are welcome.
"""

# ruff: noqa: E501 - a template is one line

from hub.home.phrases import REPEAT, Phrases

OTHERS = {
    "de": (
        Phrases(
            "HassSetVolumeRelative",
            """
[(sprich|rede|mach es|mach|stell es|etwas|ein bisschen|ein wenig|viel)] [etwas|ein bisschen|ein wenig|viel] lauter
[(mach|stell|dreh)] [die] lautstärke [etwas|ein bisschen] (höher|lauter|hoch)
""",
            {"volume_step": "up"},
        ),
        Phrases(
            "HassSetVolumeRelative",
            """
[(sprich|rede|mach es|mach|stell es|etwas|ein bisschen|ein wenig|viel)] [etwas|ein bisschen|ein wenig|viel] leiser
[(mach|stell|dreh)] [die] lautstärke [etwas|ein bisschen] (niedriger|leiser|runter)
nicht so laut
""",
            {"volume_step": "down"},
        ),
        Phrases(
            "HassSetVolume",
            """
[(stell|stelle|setz|setze)] [die] lautstärke auf {volume:volume_level} prozent
lautstärke {volume:volume_level} prozent
""",
        ),
        Phrases(
            REPEAT,
            """
(wiederhol|wiederhole) [das] [noch einmal|nochmal]
(sag|sage) das [bitte] (noch einmal|noch mal|nochmal)
was hast du [gerade|eben] gesagt
(noch einmal|nochmal|noch mal) [bitte]
wie bitte
""",
        ),
        Phrases("HassNevermind", "(abbrechen|vergiss es|stopp|stop|schon gut|egal|lass es|halt)"),
    ),
    "fr": (
        Phrases(
            "HassSetVolumeRelative",
            """
[parle] [un peu|beaucoup] plus fort
(monte|augmente) le (son|volume) [un peu]
""",
            {"volume_step": "up"},
        ),
        Phrases(
            "HassSetVolumeRelative",
            """
[parle] [un peu|beaucoup] moins fort
(baisse|diminue) le (son|volume) [un peu]
""",
            {"volume_step": "down"},
        ),
        Phrases(
            "HassSetVolume", "(mets|règle) le (son|volume) (à|sur) {volume:volume_level} pour cent"
        ),
        Phrases(
            REPEAT,
            """
répète [ça|cela]
(tu peux|peux-tu|peux tu) répéter [ça]
qu'est-ce que tu as dit
(encore une fois|redis ça)
""",
        ),
        Phrases("HassNevermind", "(annule|laisse tomber|arrête|stop|oublie|tant pis)"),
    ),
    "es": (
        Phrases(
            "HassSetVolumeRelative",
            """
[habla] [un poco|mucho] más (alto|fuerte)
(sube|aumenta) el volumen [un poco]
""",
            {"volume_step": "up"},
        ),
        Phrases(
            "HassSetVolumeRelative",
            """
[habla] [un poco|mucho] más bajo
baja el volumen [un poco]
""",
            {"volume_step": "down"},
        ),
        Phrases("HassSetVolume", "(pon|ajusta) el volumen (a|al) {volume:volume_level} por ciento"),
        Phrases(
            REPEAT,
            """
(repite|repítelo|repite eso)
(puedes repetir|puedes repetirlo) [eso]
qué (has dicho|dijiste)
(otra vez|una vez más)
""",
        ),
        Phrases("HassNevermind", "(cancela|olvídalo|déjalo|para|da igual)"),
    ),
}
