"""Small trained tokenizers with the published settings of each family, and text to try them on.

Runs in the reference environment: `tokenizer_families.py OUT LINES` writes, for each family, OUT/NAME/tokenizer.json and what
the `tokenizers` package makes of LINES lines, as JSON lines: texts, ids, special_ids, sequences, decoded, decoded_plain.
"""
import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, models, trainers

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
DEEPSEEK_V3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"""
               r"[\r\n]*|" + SPACES)
DEEPSEEK_CJK = "[一-龥぀-ゟ゠-ヿ]+"
DEEPSEEK_LETTERS = r"\s?\p{L}+"  # of DeepSeek-V2 and before: several Splits, Digits, ByteLevel
DEEPSEEK_V2_PUNCTUATION = r"\s?[!-/:-~！-／：-～‘-‟　-。]+"
DEEPSEEK_V2_CJK = "[一-龥ࠀ-一가-퟿]+"


def byte_level(use_regex, add_prefix_space=False):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": True, "use_regex": use_regex}


def split(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def template(name, token_id, after=()):
    special = {name: {"id": name, "ids": [token_id], "tokens": [name]}}
    special.update({n: {"id": n, "ids": [i], "tokens": [n]} for n, i in after})
    one = [{"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    one += [{"SpecialToken": {"id": n, "type_id": 0}} for n, _ in after]
    return {"type": "TemplateProcessing", "single": one, "pair": one + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": special}


BYTE_DECODER = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
MARK = "▁"
LLAMA2_DECODER = sequence("decoders", {"type": "Replace", "pattern": {"String": MARK}, "content": " "},
                          {"type": "ByteFallback"}, {"type": "Fuse"},
                          {"type": "Strip", "content": " ", "start": 1, "stop": 0})
LLAMA2_NORMALIZER = sequence("normalizers", {"type": "Prepend", "prepend": MARK},
                             {"type": "Replace", "pattern": {"String": " "}, "content": MARK})


def metaspace(scheme, cut=False):
    return {"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": cut}


def added(content, special=True, **flags):
    return {"id": None, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": not special, "special": special, **flags}


def train(pre_tokenizer, lines, size):
    """Vocabulary and merges of a BPE over byte-level pieces."""
    tokenizer = Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": None,
        "model": {"type": "BPE", "vocab": {}, "merges": []}}))
    is_bytes = "ByteLevel" in json.dumps(pre_tokenizer)
    from tokenizers.pre_tokenizers import ByteLevel
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=size, show_progress=False, initial_alphabet=ByteLevel.alphabet() if is_bytes else [],
        limit_alphabet=300))
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), model["merges"]


def numbered(added_tokens, tokens):
    """Added tokens with the ids that the package gives them."""
    following = len(tokens)
    for token in added_tokens:
        known = token["content"] in tokens
        token["id"] = tokens.index(token["content"]) if known else following
        following += not known
    return added_tokens


def bpe_file(tokens, merges, added_tokens, normalizer, pre_tokenizer, post_processor, decoder, string_merges=False, **model):
    settings = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, **model}
    settings["vocab"] = {token: i for i, token in enumerate(tokens)}
    settings["merges"] = [" ".join(m) for m in merges] if string_merges else merges
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": numbered(added_tokens, tokens), "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": decoder, "model": settings}


def byte_families(lines):
    """Byte-level BPE: name -> the file."""
    kinds = {
        "gpt2": (None, byte_level(True), byte_level(True), {}),
        "llama3": (None, sequence("pretokenizers", split(LLAMA3), byte_level(False)), "template", {"ignore_merges": True}),
        "qwen2": ({"type": "NFC"}, sequence("pretokenizers", split(QWEN2), byte_level(False)), byte_level(False), {}),
        "deepseek_v3": (sequence("normalizers"), sequence("pretokenizers", split(r"\p{N}{1,3}"), split(DEEPSEEK_CJK),
                                                          split(DEEPSEEK_V3), byte_level(False)), "template", {}),
        "deepseek_v2": (sequence("normalizers"), sequence(
            "pretokenizers", split("[\r\n]"), split(DEEPSEEK_LETTERS), split(DEEPSEEK_V2_PUNCTUATION), split(r"\s+$"),
            split(DEEPSEEK_V2_CJK), {"type": "Digits", "individual_digits": True}, byte_level(False)), "template", {}),
        "smollm2": (None, sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, byte_level(True)), None, {}),
    }
    for name, (normalizer, pre_tokenizer, processor, settings) in kinds.items():
        tokens, merges = train(pre_tokenizer, lines, 1600)
        count = len(tokens)
        more = [added("<|begin_of_text|>"), added("<|im_end|>"), added("<tool_call>", special=False),
                added("<｜end▁of▁sentence｜>", lstrip=True), added("[R]", rstrip=True),
                added("word", special=False, single_word=True, normalized=False), added("Å", special=False)]
        if processor == "template":
            processor = sequence("processors", byte_level(True), template("<|begin_of_text|>", count))
        yield name, bpe_file(tokens, merges, more, normalizer, pre_tokenizer, processor, BYTE_DECODER,
                             string_merges=name in ("gpt2", "qwen2"), **settings)


def fallback_families(lines):
    """Byte-fallback BPE of Llama-2 and Mistral."""
    learnt, merges = train(metaspace("always", cut=True), [line.replace("\n", " ") for line in lines], 1200)
    tokens = ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)]]
    tokens += [token for token in learnt if token not in tokens]
    known = [added(tokens[i], normalized=False) for i in range(3)]
    later = [added("[INST]", normalized=True), added("word", special=False, single_word=True)]
    settings = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
    after = template("<s>", 1, [("</s>", 2)])
    yield "llama2", bpe_file(tokens, merges, known + later, LLAMA2_NORMALIZER, None, template("<s>", 1), LLAMA2_DECODER, **settings)
    yield "mistral", bpe_file(tokens, merges, known + later, None, metaspace("first"), after, LLAMA2_DECODER, **settings)
    settings["byte_fallback"] = False
    yield "metaspace", bpe_file(tokens, merges, known, None, metaspace("always", cut=True), after, metaspace("always"), **settings)
    settings["fuse_unk"] = False
    yield "unfused", bpe_file(tokens, merges, known, None, metaspace("never", cut=True), None, {"type": "Fuse"}, **settings)


def component_families(lines):
    """Every other component and setting, on a small BPE of bytes."""
    tokens, merges = train(byte_level(True), lines, 600)
    normalizers = {
        "nfd": {"type": "NFD"}, "nfkc": {"type": "NFKC"}, "nfkd": {"type": "NFKD"},
        "text": sequence("normalizers", {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "Lowercase"},
                         {"type": "Replace", "pattern": {"Regex": r"\d+|[^\s\S]|z$"}, "content": "<n>"}),
        "strip": {"type": "Strip", "strip_left": False, "strip_right": True}}
    for name, normalizer in normalizers.items():
        more = [added("ＷＯＲＤ", special=False), added("Word É", special=False, lstrip=True, rstrip=True)]
        yield name, bpe_file(tokens, merges, more, normalizer, byte_level(True, add_prefix_space=True), None, BYTE_DECODER)
    for behavior in ("Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            pre_tokenizer = sequence("pretokenizers", split(r"[a-e]|\p{Lu}", behavior, invert),
                                     {"type": "Split", "pattern": {"String": ".."}, "behavior": behavior, "invert": invert},
                                     {"type": "Digits", "individual_digits": False}, byte_level(False, add_prefix_space=True))
            yield f"{behavior}_{invert}", bpe_file(tokens, merges, [], None, pre_tokenizer, None, None)


def word_families(_):
    tokens = ["<unk>", *"abcdefghijklmnopqrstuvwxyz0123456789 \n三五.,", "<|begin|>", "\n\n"]
    for name, pattern in (("characters", r"[\s\S]"), ("dots", ".")):
        yield name, {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
                     "added_tokens": numbered([added("<unk>"), added("<think>", special=False, normalized=False)], tokens),
                     "pre_tokenizer": split(pattern), "decoder": {"type": "Fuse"},
                     "model": {"type": "WordLevel", "vocab": {t: i for i, t in enumerate(tokens)}, "unk_token": "<unk>"}}


def write(lines, values):
    lines.write_text("".join(json.dumps(value) + "\n" for value in values))


def main():
    out, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    import tokenizer_texts as texts
    generator = random.Random(7)
    lines = list(texts.lines(generator, count))
    characters = list(texts.every_character())
    corpus = lines[:2500]
    for families, share in ((byte_families, 1), (fallback_families, 1), (component_families, 32), (word_families, 32)):
        for name, file in families(corpus):
            folder = out / name
            folder.mkdir(parents=True)
            (folder / "tokenizer.json").write_text(json.dumps(file))
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            some = lines[:len(lines) // share] + characters
            ids = [e.ids for e in tokenizer.encode_batch(some, add_special_tokens=False)]
            size = tokenizer.get_vocab_size()
            sequences = ids + [[generator.randrange(size) for _ in range(generator.randrange(12))] for _ in range(2000)]
            write(folder / "texts", some)
            write(folder / "ids", ids)
            write(folder / "special_ids", [e.ids for e in tokenizer.encode_batch(some[:2000], add_special_tokens=True)])
            write(folder / "sequences", sequences)
            write(folder / "decoded", tokenizer.decode_batch(sequences, skip_special_tokens=False))
            write(folder / "decoded_plain", tokenizer.decode_batch(sequences, skip_special_tokens=True))


if __name__ == "__main__":
    main()
