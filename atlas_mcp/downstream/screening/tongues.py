"""The plainest orders to a model in languages other than English: to forget what it was told, and to be silent.

As in `phrases`, each begins with a word of its own and reaches a bounded number of words from there.
"""

# ruff: noqa: E501, RUF001 - letters of many scripts, a language a line

from __future__ import annotations

from typing import TYPE_CHECKING

from atlas_mcp.downstream.screening.phrases import ASIDE, HIDES, REVEALS, Phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["foreign"]

_W = r"(?:[ ,][^\s,.!?;:]{1,24})"
"""A word between two others."""

_ASIDE: dict[str, str] = {
    # German
    "ignoriere ignorieren ignorier vergiss vergesst vergessen missachte übergehe beachte":
        rf"{_W}{{0,4}} (?:vorherigen?|vorigen?|bisherigen?|früheren?|obigen?|vorangegangenen?|ursprünglichen?"
        rf"|deine|ihre|alle){_W}{{0,3}} (?:anweisung|instruktion|regel|vorgabe|befehl|aufforderung)\w{{0,3}}",
    # French
    "ignore ignorez ignorer oublie oubliez oublier":
        rf"{_W}{{0,3}} (?:instructions?|consignes?|directives?|ordres?|règles){_W}{{0,2}}"
        r" (?:pr[ée]c[ée]dente?s?|ant[ée]rieure?s?|ci-dessus|initiales?|re[çc]ues?|donn[ée]e?s?)",
    # Spanish, Portuguese, Italian
    "ignora ignore ignorad olvida olvide omite descarta ignorar esqueça esquece desconsidere dimentica"
    " ignorate scarta trascura dimenticate":
        rf"{_W}{{0,4}} (?:instrucciones|indicaciones|órdenes|reglas|instruç(?:ões|ão)|ordens|regras|diretrizes"
        rf"|istruzioni|indicazioni|direttive|regole){_W}{{0,2}} (?:anterior\w{{0,3}}|previas|prévias|precedenti"
        r"|recibidas|recebidas|de arriba|acima|ricevute|iniciales|iniciais|iniziali|originales|originais)"
        rf"|{_W}{{0,3}} (?:anteriores|previas|precedenti|prévias)"
        r" (?:instrucciones|instruções|istruzioni|indicaciones)",
    # Dutch, Danish, Norwegian, Swedish
    "negeer vergeet ignorer glem ignorera glöm":
        rf"{_W}{{0,3}} (?:vorige|eerdere|voorgaande|bovenstaande|tidligere|forrige|tidigare|föregående|ovanstående)"
        rf"{_W}{{0,2}} (?:instructies|opdrachten|regels|instruktioner|instruksjoner|instrukser)",
    # Romanian
    "ignoră ignorați uită": rf"{_W}{{0,3}} (?:instrucțiunile|instrucțiuni|regulile){_W}{{0,2}} (?:anterioare|precedente|de mai sus)",
    # Polish, Czech
    "zignoruj ignoruj zapomnij pomiń ignorujte zapomeň":
        rf"{_W}{{0,3}} (?:poprzedni\w{{0,3}}|wcześniejsz\w{{0,3}}|powyższ\w{{0,3}}|předchozí\w{{0,3}})"
        rf"{_W}{{0,2}} (?:instrukcj\w{{0,3}}|polece\w{{0,4}}|instrukce|pokyny|zasady)",
    # Russian, Ukrainian
    "игнорируй игнорируйте проигнорируй проигнорируйте забудь забудьте ігноруй ігноруйте забудьте":
        rf"{_W}{{0,3}} (?:предыдущи\w{{1,2}}|прежни\w{{1,2}}|прошлы\w{{1,2}}|вышеуказанн\w{{2,3}}|попередн\w{{1,3}})"
        rf"{_W}{{0,2}} (?:инструкци\w{{1,3}}|указани\w{{1,3}}|команд\w{{0,2}}|правил\w{{0,2}}|інструкці\w{{1,2}}"
        r"|вказівк\w{1,2})"
        r"| вс[её] (?:инструкции|указания|правила)(?: выше| ранее)"
        r"|(?: обо)? (?:вс[её]м?|усе),? (?:что|що) (?:тебе|вам|было|тобі)",
    # Turkish: the verb is last
    "önceki yukarıdaki":
        rf"{_W}{{0,2}} (?:talimat|yönerge|komut|kural)\w{{0,9}}{_W}{{0,3}}"
        r" (?:yok say|görmezden gel|unut|dikkate alma|göz ardı et)\w{0,4}",
    # Indonesian, Vietnamese
    "abaikan lupakan": rf"{_W}{{0,3}} (?:instruksi|perintah|petunjuk|aturan){_W}{{0,2}} (?:sebelum|di atas|awal)\w{{0,3}}",
    "bỏ": rf" qua{_W}{{0,4}} (?:hướng dẫn|chỉ dẫn|lệnh|yêu cầu){_W}{{0,2}} (?:trước|ở trên)",
    # Arabic, Persian, Hebrew
    "تجاهل تجاهلي تجاهلوا انس":
        rf"{_W}{{0,3}} (?:التعليمات|الأوامر|تعليمات|القواعد|الإرشادات){_W}{{0,2}} ?(?:السابقة|أعلاه|الأصلية|الأولى)",
    "دستورات دستورالعمل‌های دستورهای": rf"{_W}{{0,2}} (?:قبلی|پیشین|بالا){_W}{{0,2}} (?:نادیده|فراموش)",
    "התעלם התעלמי התעלמו שכח": rf"{_W}{{0,3}} (?:מההוראות|ההוראות|הוראות|מהנחיות){_W}{{0,2}} (?:הקודמות|שלמעלה)",
    # Hindi: the verb is last
    "पिछले पिछली पूर्व उपरोक्त": rf"{_W}{{0,3}} (?:निर्देश|आदेश|निर्देशों|आदेशों|नियमों)\S{{0,4}}{_W}{{0,3}} (?:अनदेखा|नज़रअंदाज़|भूल|उपेक्षा|नजरअंदाज)",
    # Chinese, Japanese, Korean
    "忽略 无视 無視 忘记 忘記 忽視 请忽略 不要理会":
        r"[^。.!?！？\n]{0,12}(?:之前|先前|以前|以上|上述|上面|前面|所有|全部|你的|原有)[^。.!?！？\n]{0,10}"
        r"(?:指令|指示|提示|命令|规则|規則|要求|说明|說明|设定|内容|內容|对话)",
    "以前 これまで 上記 今まで 前述 先の 以上 すべて":
        r"[^。.!?！？\n]{0,10}(?:指示|命令|指令|プロンプト|ルール|規則)[^。.!?！？\n]{0,8}"
        r"(?:無視|忘れ|従わな|破棄|取り消)",
    "이전 위의 앞의 기존 지금까지": r"[^.!?\n]{0,12}(?:지시|명령|지침|프롬프트|규칙|설명)[^.!?\n]{0,8}(?:무시|잊어|따르지)",
    "ไม่ต้องสนใจ ละเว้น เพิกเฉย": r"[^\n]{0,12}(?:คำสั่ง|คำแนะนำ)[^\n]{0,12}(?:ก่อนหน้า|ข้างต้น)",
}  # fmt: skip

_HIDES: dict[str, str] = {
    "sag sage sagen verrate erzähle informiere erwähne":
        rf"{_W}{{0,4}} (?:dem|der|den|die) (?:benutzer|nutzer|anwender|nutzerin|menschen)\w{{0,2}}{_W}{{0,3}} (?:nichts|nicht|kein\w?)",
    "ne n'en n'informe n'informez":
        rf"{_W}{{0,2}}(?: dis| dites| parle| parlez| mentionne| mentionnez| révèle| révélez| informe| informez)?{_W}{{0,4}}"
        r" (?:à )?l['’]utilisat(?:eur|rice)",
    "no non não nao": rf" (?:se )?(?:lo )?(?:le )?(?:informes?|digas?|diga|menciones?|reveles?|avises?|dire|informare|rivelare|menzionare|dica|diga|conte|informe|mencione|revele){_W}{{0,4}} (?:al|all['’]|a la|ao|à|o|a el) ?(?:usuari[oa]|utente|utilizador)",
    "niet vertel zeg": rf"{_W}{{0,4}} (?:de|aan de) gebruiker{_W}{{0,3}} (?:niet|niets)",
    "nie": rf" (?:mów|informuj|wspominaj|ujawniaj|powiadamiaj){_W}{{0,3}} użytkownik\w{{0,4}}",
    "не": rf" (?:говори|сообщай|рассказывай|упоминай|информируй|уведомляй|повідомляй|кажи)\w{{0,2}}{_W}{{0,3}} (?:пользовател|користувач)\w{{1,3}}",
    "不要 不得 别 請勿 请勿 切勿 不可": r"[^。.!?！？\n]{0,3}(?:告诉|告訴|告知|通知|提示|提醒|透露|让|讓|向)[^。.!?！？\n]{0,4}(?:用户|用戶|使用者)",
    "ユーザー 利用者": r"(?:に|には|へ)[^。.!?！？\n]{0,12}(?:言わない|伝えない|知らせない|教えない|通知しない|言うな|明かさない|内緒|秘密)",
    "사용자에게": r"[^.!?\n]{0,12}(?:말하지|알리지|언급하지|공개하지|비밀)",
    "لا": rf" (?:تخبر|تذكر|تكشف|تبلغ|تعلم)\w{{0,2}}{_W}{{0,3}} (?:المستخدم|للمستخدم)\w{{0,2}}",
    "उपयोगकर्ता यूज़र": rf" (?:को|से){_W}{{0,3}} (?:मत|न|नहीं) (?:बताएं|बताओ|बताना|कहें|बताएँ)",
}  # fmt: skip

_REVEALS: dict[str, str] = {
    "zeige zeig nenne gib": rf"{_W}{{0,3}} (?:deinen?|ihren?|den) (?:system-?prompt|systemprompt|system-?anweisungen)",
    "montre affiche révèle muestra revela mostre": rf"{_W}{{0,3}} (?:prompt|instrucciones|instructions|instruções)(?: de| do| du)? (?:syst[eè]me|sistema|del sistema)",
    "显示 输出 泄露 告诉我": r"[^。\n]{0,6}(?:系统提示|系統提示|系统指令|你的提示词|初始提示)",
}  # fmt: skip


def foreign() -> Iterator[Phrase]:
    """Orders in languages other than English."""
    for name, table in ((ASIDE, _ASIDE), (HIDES, _HIDES), (REVEALS, _REVEALS)):
        for begin, then in table.items():
            yield Phrase(name, begin, then)
