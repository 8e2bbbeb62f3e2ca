"""What the people of the sample talk about. Every handle, address and event here is invented.

In a text, {a} is whom the author talks to, {b} a third person, {t} a topic of the community.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Community:
    """People who talk to each other, the liveliest first, and what they say to open a conversation or to answer."""

    names: str
    topics: tuple[str, ...]
    openers: tuple[str, ...]
    answers: tuple[str, ...]
    share: int
    """Of a hundred conversations, about how many are theirs."""

    @property
    def people(self) -> list[str]:
        return self.names.split()


BICYCLES = Community(
    names=(
        "Speichen_Ulla kettenblatt_kai lastenrad_lore MuffenMarta rost_und_rad felgen_fiete Schaltwerk_7 pumpen_petra "
        "nabe_nils dynamo_dora tandem_tjark klingel_karla bremsklotz_b reifen_rike sattel_sepp SchlauchMilch_ "
        "gepaeck_gesa ritzel_rudi stadtwind_k luftdruck_l"
    ),
    topics=("Schaltung", "Lastenrad", "Nabendynamo", "Lichttest", "Bremsbeläge", "Radweg an der Brücke", "Kette"),
    openers=(
        "Hat jemand Erfahrung mit dem Thema {t}? {a} du vielleicht?",
        "Samstag wieder offene Werkstatt, Thema: {t}. {a} bringt Kuchen mit 🍰",
        "{a} {b} fahrt ihr morgen die Runde über den Höhenweg mit?",
        "Nach drei Stunden Fummelei läuft es: {t} ✔️ Danke {a}!",
        'Der Händler meinte nur "lohnt sich nicht mehr". {a} sieht das zum Glück anders. #reparieren',
        "Regen, Gegenwind, {t} kaputt.\nTrotzdem schönster Feierabend der Woche.\n{a} weiß, warum.",
        "Anmeldung zum Lichttest bitte an werkstatt@speiche.example, nicht per DM.",
        ".{a} hat recht: über {t} wird zu wenig geredet #rennrad",
        "Neue Fotos von der Tour: https://touren.example/herbst/17 🚲",
        "Übrigens: @müller ist kein Handle, auch wenn die Zeitung es so schreibt.",
    ),
    answers=(
        "{a} klar, bin dabei!",
        "{a} erst ölen, dann fluchen. Nie umgekehrt 😄",
        "{a} {b} ich bringe Werkzeug mit, aber keine Geduld.",
        "Danke {a}, das war der entscheidende Tipp.",
        "{a} stell mal ein Bild rein, so kann man das nicht sagen",
        "{a} bei mir hält {t} seit vier Jahren, ohne Witz",
        'Wie {a} immer sagt: "Luft rein, Sorgen raus"',
        "{a} nein.\nAlso doch.\nAber nur, wenn {b} auch fährt.",
        "Mensch {a}, das hättest du gestern sagen können!",
        "{a} 👍",
    ),
    share=22,
)

GARDENS = Community(
    names=(
        "huerto_luzma Tomate_Terca nopal_nacho semilla_ines MaizMorado_ raices_ramon chile_chelo brote_bruno "
        "compost_coni abeja_abril regadera_r calabaza_cruz laHuertaDeAlma epazote_eli jitomate_jo surco_saul "
        "milpa_mila cilantro_cid"
    ),
    topics=("la composta", "los jitomates", "el riego por goteo", "las semillas", "el maíz morado", "las abejas"),
    openers=(
        "¡Por fin llovió! {a}, ¿cómo amanecieron {t}?",
        "El domingo hay tequio en el huerto: trabajamos {t} y después comemos. {a} {b} ¿vienen?",
        "Le dije a {a} que no regara de más… y miren {t} 😅",
        "Gracias {a} por las semillas, ya brotaron 🌱🌱",
        'Mi abuela decía "la tierra no se apura". {a} debería escucharla.',
        "Taller gratuito sobre {t}, sábado a las 10. Informes: hola@huerto.example",
        "Lista de hoy:\n- {t}\n- café\n- convencer a {a}",
        "¿Alguien sabe qué le pasa a esta hoja? https://fotos.example/hoja/221",
        "Qué mañana tan bonita en la milpa #huerto",
        "(vía {a}) calendario de siembra de noviembre, muy recomendable",
    ),
    answers=(
        "{a} ¡ahí estaré!",
        "{a} a mí me funcionó con ceniza, poquita",
        "Jajaja {a}, siempre lo mismo con {t}",
        "{a} {b} cuenten conmigo, llevo tortillas 🌽",
        "No le creas a {a}, eso no es plaga, es hambre.",
        "{a} mándame foto, por favor",
        "{a} yo digo que sí, pero pregúntale a {b}",
        'Como diría {a}: "paciencia y estiércol"',
        "¡Gracias, {a}!",
        "{a} 💚",
    ),
    share=17,
)

SYNTHESIZERS = Community(
    names=(
        "oto_no_neko yoru_patch Hachibit_Haru kumo_modular denshi_ume sine_nami vco_tanuki rokuon_rin "
        "tsumami_8 neiro_kiki asa_no_delay filter_fuku kabuto_beat hikari_osc nagoya_noise mame_mixer"
    ),
    topics=("モジュラー", "新しいパッチ", "テープエコー", "ライブ配信", "自作シンセ", "古いドラムマシン"),
    openers=(
        "今夜は{t}の話をしましょう。{a}さん、準備はいいですか?",
        "{a} 昨日の{t}、最高でした🎶",
        "新曲できました!{t}だけで作っています https://oto.example/t/88",
        "{a}と{b}でセッションしてきた。楽しすぎた😆",
        "ケーブルが足りない。いつも足りない。",
        "の{a}に教えてもらった{t}、やっと音が出た",
        "お問い合わせは mail@oto.example まで。DMは見ていません。",
        "朝のコーヒー☕\n昼の{t}\n夜の{a}さんの配信",
        "「{t}は沼」って言ったの誰?{a}でしょ",
    ),
    answers=(
        "{a} 了解です!",
        "{a} それは良い音ですね〜",
        "{a} {b} 私も行きたい!",
        "{a} フィルターを少し閉じるといいかも",
        "ありがとう{a}、助かりました🙏",
        "{a} えっ、本当に?{t}買ったの?",
        "{a}さんの言うとおりでした…",
        "{a} 次は{b}も呼びましょう",
        "{a} 😂😂",
    ),
    share=15,
)

ASTRONOMERS = Community(
    names=(
        "najm_layli Kawkab_Rim suhail_sama badr_telescope hilal_hunt noor_andromeda majarra_m falak_faris "
        "thurayya_s qamar_diary marsad_42 shihab_sky dubb_akbar zuhal_rings"
    ),
    topics=("زحل", "القمر", "المجرة", "زخات الشهب", "التلسكوب الجديد"),
    openers=(
        "السماء صافية الليلة، من يرصد {t} معي؟ {a}",
        "صورة {t} من سطح البيت 🔭 شكرا {a} على العدسة",
        "لقاء الرصد يوم الجمعة، {a} و {b} مدعوون",
        "للتسجيل راسلونا على rasd@falak.example",
        "سؤال للخبراء: لماذا يبدو {t} أصغر اليوم؟ {a}",
        "قال {a}:\n«الصبر مفتاح الرصد»",
        "تقرير الليلة عن {t}: https://falak.example/r/31 ✨",
        'كتبت الجريدة "ليلة الشهب" لكن {a} لم ير شيئا',
    ),
    answers=(
        "{a} إن شاء الله",
        "{a} صورة رائعة! 🌙",
        "{a} {b} سأحضر القهوة",
        "شكرا يا {a}، معلومة مفيدة",
        "{a} الغيوم غدا للأسف",
        "{a} جرب أن تنظر نحو الشرق",
        "أتفق مع {a}، {t} أجمل في الشتاء",
    ),
    share=11,
)

FERRIES = Community(
    names=(
        "vapur_saati marti_ile_cay Iskele_Nur kopuk_kerem dalgali_defne simit_sefa lodos_levent KaradutKaptan "
        "fener_figen halat_hakan poyraz_pelin cay_bardagi7 rihtim_r deniz_defteri balikci_bora"
    ),
    topics=("sabah vapuru", "martılar", "lodos", "iskele", "gün batımı", "eski fotoğraflar"),
    openers=(
        "Günaydın! Bugün {t} için kim erken kalktı? {a}?",
        "{a} ile çay, simit ve {t} ☕🥨",
        "İSKELEDE BULUŞMA: cumartesi 15.00, {a} ve {b} de geliyor",
        "Bu kareyi {a} çekti, ben sadece çay taşıdım 📷",
        'Kaptan "lodos var" dedi, {a} inanmadı',
        "Arşivden: {t} https://vapur.example/arsiv/1974",
        "Rüzgâr.\nÇay.\n{t}.\nBaşka bir şey lazım değil {a}",
        "Fotoğraflarınızı foto@vapur.example adresine yollayın, ödül: sınırsız çay",
        "Işık bugün çok güzeldi #istanbul",
    ),
    answers=(
        "{a} ben de geliyorum!",
        "{a} ağzına sağlık, çok güldüm 😂",
        "{a} {b} yer ayırdım",
        "Ah {a}, o günleri özledim",
        "{a} {t} kaçmaz",
        "Teşekkürler {a}, şahane olmuş",
        "{a} yine mi geç kaldın? 🙈",
        "{a} çay benden",
    ),
    share=13,
)

DATABASES = Community(
    names=(
        "vacuum_vera NullIsland_Ned join_june btree_bo writeahead_wu Deadlock_Dee cursor_cal tuple_tess "
        "replica_ray checkpoint_chi lateral_lou GistOfIt_ shard_shay toast_tobi explain_elle hashjoin_hal wal_wanda "
        "index_ike"
    ),
    topics=("partial indexes", "vacuum", "the query planner", "advisory locks", "time zones", "CSV files"),
    openers=(
        "Hot take: {t} are fine, actually. {a} fight me",
        "TIL something about {t}, thanks to {a}: https://notes.example/til/14",
        "Meetup on Thursday: {a} on {t}, {b} on everything that went wrong",
        "{a} did you ever get to the bottom of it? {t}, I mean",
        'The ticket just says "slow", and {a} is on holiday. It is always {t}.',
        "Three lessons from today:\n1. {t}\n2. {t}\n3. ask {a} first",
        "Slides, typos and all, to list@rows.example please. Not to me@home.example!",
        "Reading list by @wal_wanda/good-reads is worth your time",
        "cc {a}: we shipped it 🚀",
        'Whoever named the column "timestamp" owes {a} a coffee',
    ),
    answers=(
        "{a} did you look at the plan?",
        "{a} it was a quote in the middle of a field. It always is.",
        "{a} {b} count me in",
        "thank you {a}!! that was it",
        "{a} works on my machine, which is the problem",
        "{a} no locks were harmed 🔒",
        "{a} have you tried reading the error message",
        'so what {a} means is: "it depends"',
        "{a} please write that down somewhere",
        "{a} +1",
    ),
    share=14,
)

BREAD = Community(
    names=(
        "levain_lucie MieDePain_Max croute_camille four_a_bois petrin_paule farine_felix seigle_solene "
        "Grigne_Gus bannetons_b fournil_fanny baguette_basile pate_pia"
    ),
    topics=("le levain", "la farine de seigle", "la croûte", "le four", "l'hydratation", "la brioche"),
    openers=(
        "Fournée du matin 🥖 merci {a} pour les conseils sur {t}",
        "{a}, dis-moi tout sur {t}, je n'y comprends plus rien",
        "Atelier samedi : {t}. Avec {a} et {b}, inscription à pain@fournil.example",
        "Le voisin a crié « ça sent bon ! » et {a} est arrivée, évidemment",
        'On m\'a dit "sans pétrissage", j\'ai entendu "sans effort". N\'est-ce pas {a} ?',
        "Étape 1 : {t}\nÉtape 2 : attendre\nÉtape 3 : appeler {a}",
        "La recette est là : https://fournil.example/r/9 (bon courage)",
    ),
    answers=(
        "{a} magnifique !",
        "{a} baisse un peu le four, non ?",
        "{a} {b} gardez-moi une part",
        "Merci {a}, tout s'explique",
        "{a} chez moi {t}, c'est un échec total 😭",
        "D'accord avec {a}, pour une fois",
        "{a} encore raté… mais c'est bon quand même",
    ),
    share=8,
)

COMMUNITIES = (BICYCLES, GARDENS, SYNTHESIZERS, ASTRONOMERS, FERRIES, DATABASES, BREAD)

ACROSS = (
    "look what {a} and {b} made together 😍",
    "{a} meet {b}, you two have the same problem in two languages",
    "Saludos a {a} desde el otro lado del mundo 🌍",
    "{a} das müsst ihr euch ansehen, ist von {b}",
    "{a} 🤝 {b}",
)
"""Said from one community to another."""
