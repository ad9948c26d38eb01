"""Lines of text that tokenizers find hard, as a function of a random generator."""

WORDS = ("the of and to in reasoning don't DON'T it's IT'S we'll WE'LL I'm I'M they're THEY'RE could've he'd He'D 'S 'ſ 'tis "
         "naïve façade Straße Ångström Å Å ǅ ŉ ﬁne ﬀ İstanbul ΣΊΣΥΦΟΣ Привет мир Ёж שלום עולם مرحبا بالعالم السَّلَامُ عَلَيْكُمْ "
         "नमस्ते दुनिया สวัสดีชาวโลก ខ្មែរ မြန်မာ አማርኛ 你好世界 今天天气不错 推理模型 東京タワー カタカナ ひらがな 한국어 안녕하세요 각 "
         "Ａｂｃ１２３ ①②③ ½ x² H₂O ٣٤٥ ४५६ Ⅷ 〇一二 𝒳𝒴 𝟘𝟙 word words WORD password Word É ＷＯＲＤ").split(" ")
CODE = ("for (int i = 0; i < n; ++i) {", "\treturn x->y[i] * 0xFF;", "def f(a, *b, **c):", "    if a != b: pass  # why?",
        "SELECT * FROM t WHERE a='b';", "std::vector<std::string>", "<div class=\"x\">&nbsp;</div>", "}}}]));", "#!/bin/sh -eu",
        "$\\frac{1}{2}\\sqrt{x^{2}}$", "https://example.org/a?b=c&d=%20#e", "a_b_c camelCaseWord HTTPServer2", "x+=1;;", "\\n\\t\\\\",
        "/* ... */", "3.14159e-10", "1,000,000.00", "192.168.0.1:8080", "0123456789012345678901234567890")
EMOJI = ("😀", "👩‍👩‍👧‍👦", "👩🏽‍💻", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☺︎", "1️⃣", "🫨", "🫩", "🩷", "👨🏿‍🦲", "‍", "️")
SPECIAL = ("<|begin_of_text|>", "<|im_end|>", "<tool_call>", "<｜end▁of▁sentence｜>", "[R]", "<s>", "</s>", "<unk>", "[INST]", "<think>",
           "<|im_", "<0x41>", "<0xE4>", "▁", "▁▁a", "<|begin|>", "Ġ", "Ċ")
SPACE = (" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\n\n", " \n", "\n ", "\v", "\f", "\x85", "\xa0", " ", " ", "\u2028", "\u2029",
         " ", "　", "\u180e", "\u200b", "\ufeff", " " * 17, "\t" * 5, "\r\n\r\n", " \r\n \t")
CONTROL = ("\x00", "\x01", "\x1b[0m", "\x1f", "\x7f", "\x80", "\x9f", "\ufffd", "\uffff", "\ue000", "\U0010ffff", "\u0378", "\u202e")
# Big blocks of characters of one category each; their ends are tried.
BLOCKS = ((0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0xD800, 0xF8FF), (0x17000, 0x18CD5), (0x1E900 + 0x5000, 0x2FA20), (0x2FA20, 0x31340),
          (0x31360, 0x32390), (0x323C0, 0xE0000), (0xE0200, 0x10FFF0))


def marks(random):
    """A letter under combining marks of any class, in any order."""
    marks = [chr(random.choice((random.randrange(0x300, 0x370), random.randrange(0x591, 0x5C0), 0x345, 0x327, 0x1DF6, 0x0F71, 0x11938)))
             for _ in range(random.randrange(1, 5))]
    return random.choice("aeoAEOאकᄀ가") + "".join(marks)


def anything(random):
    code = random.randrange(0x110000)
    return " " if 0xD800 <= code < 0xE000 else chr(code)


def word(random):
    kind = random.randrange(24)
    if kind < 9:
        return random.choice(WORDS)
    if kind < 12:
        return random.choice(CODE)
    if kind < 14:
        return random.choice(EMOJI)
    if kind < 16:
        return str(random.randrange(10 ** random.randrange(1, 12)))
    if kind == 16:
        return random.choice(CONTROL)
    if kind == 17:
        return random.choice(SPECIAL)
    if kind == 18:
        return marks(random)
    if kind == 19:
        return anything(random)
    if kind == 20:
        return "".join(random.choice("abcdeéßĳ'.,-!?_|<>[]{}") for _ in range(random.randrange(1, 30)))
    if kind == 21:
        return random.choice(WORDS) * random.randrange(1, 6)
    if kind == 22:
        return random.choice(".!?-=*#~^") * random.randrange(1, 40)
    return random.choice(WORDS)[:3] + random.choice(WORDS)


def lines(random, count):
    """`count` texts of up to about 30 words; many hold line breaks."""
    for _ in range(count):
        pieces = []
        for _ in range(random.choice((0, 1, 1, 2, 3, 5, 8, 13, 30))):
            pieces.append(word(random))
            pieces.append(" " if random.random() < 0.6 else "" if random.random() < 0.4 else random.choice(SPACE))
        yield "".join(pieces[:len(pieces) - random.randrange(2)])


def every_character():
    """All characters but the insides of blocks, 24 to a text, alone and between letters."""
    codes = [code for code in range(0x110000) if not any(first <= code <= last for first, last in BLOCKS)]
    codes += [code for first, last in BLOCKS for code in (first, last) if not 0xD800 <= code < 0xE000]
    for i in range(0, len(codes), 24):
        some = [chr(code) for code in codes[i:i + 24]]
        yield "".join(some)
        yield "a" + "".join(c + "b " for c in some)
