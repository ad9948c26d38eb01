"""Prints what the tests before it found, family by family: the largest difference of log-probabilities and gradients in fp32
from transformers, texts with the ids of the `tokenizers` package (and back), prompts with the bytes of apply_chat_template,
and whether weights came back as they were. Each of those tests computes its reference anew and leaves its numbers in
DEDUCE_PARITY (`ctest -R parity_table` runs them all)."""
import json
import os
import pathlib

FOLDER = pathlib.Path(os.environ["DEDUCE_PARITY"])
# Family: its models (by the beginnings of their names), tokenizer and chat templates in the three tests.
FAMILIES = {
    "DeepSeek-V3, R1": ("deepseek_v3", "deepseek_v3", ("deepseekv3", "deepseek_r1_distill")),
    "DeepSeek-V2": ("deepseek_v2", "deepseek_v2", ()),
    "Qwen2, Qwen2.5": ("qwen2", "qwen2", ("qwen2_5",)),
    "Qwen3": ("qwen3,", "qwen2", ("qwen3", "qwen3_instruct_2507")),
    "Qwen3-MoE": ("qwen3_moe", "qwen2", ("qwen3", "qwen3_instruct_2507")),
    "Llama 2": ("llama, biases", "llama2", ()),
    "Llama 3.x": ("llama, llama3", "llama3", ("llama3", "llama3_1", "llama3_2")),
    "SmolLM2": ("llama", "smollm2", ("turns_of_smollm2",)),
    "Mistral": ("mistral", "mistral", ("turns_of_mistral",)),
}


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def main():
    models, tokenizers, templates = read("models"), read("tokenizers"), read("chat_templates")
    print(f"{'family':18}{'log-probs':>12}{'gradients':>12}{'tokenizer':>24}{'chat template':>24}{'round trip':>14}")
    for family, (prefix, tokenizer, names) in FAMILIES.items():
        rows = [row for name, row in models.items() if (name + ",").startswith(prefix)]
        same = all(row["same_bytes"] for row in rows)
        prompts = f"{sum(templates[name] for name in names):,} equal" if names else "no template published"
        print(f"{family:18}{max(row['log_probs'] for row in rows):12.1e}{max(row['gradients'] for row in rows):12.1e}"
              f"{f'{tokenizers[tokenizer]:,} equal':>24}{prompts:>24}{'same bytes' if same else 'DIFFERS':>14}")


main()
