"""The reference side of hugging_face_test.py, run by the reference environment's Python: transformers itself.

    hugging_face_models.py build ROOT    ROOT/NAME/folder (random weights, fp32 unless said), tokens.json, log_probs.json and
                                         gradients.safetensors of it
    hugging_face_models.py check ROOT    compares what deduce made of them; ROOT/table.json
"""
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

TOKENIZER = pathlib.Path(__file__).resolve().parents[2] / "configs" / "recipes" / "tiny_tokenizer.json"
VOCABULARY = 48
SHAPE = dict(vocab_size=VOCABULARY, intermediate_size=44, max_position_embeddings=64, initializer_range=0.15,
             bos_token_id=1, eos_token_id=2, pad_token_id=0)
PLAIN = dict(attn_implementation="eager", experts_implementation="eager")
ODD = dict(hidden_size=54, num_attention_heads=9, num_key_value_heads=3, num_hidden_layers=2)
MLA = dict(hidden_size=30, num_attention_heads=3, num_key_value_heads=3, num_hidden_layers=3, kv_lora_rank=10,
           qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=7, n_routed_experts=8, num_experts_per_tok=3,
           moe_intermediate_size=14, first_k_dense_replace=1)
MOE = dict(hidden_size=40, num_attention_heads=5, num_key_value_heads=1, head_dim=8, num_hidden_layers=3, num_experts=8,
           num_experts_per_tok=3, moe_intermediate_size=14)


def rope(kind="default", **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=5000.0, **more))


YARN = dict(factor=4.0, original_max_position_embeddings=16, beta_fast=8.0, beta_slow=1.0)
LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)

# name: (config class, its fields)
MODELS = {
    "llama, llama3 rope, tied": (transformers.LlamaConfig, ODD | rope("llama3", **LLAMA3) | dict(tie_word_embeddings=True)),
    "llama, biases, linear rope": (transformers.LlamaConfig,
                                   ODD | rope("linear", factor=2.0) | dict(attention_bias=True, mlp_bias=True)),
    "mistral, head_dim": (transformers.MistralConfig, ODD | rope() | dict(head_dim=8, sliding_window=None)),
    "qwen2, tied": (transformers.Qwen2Config, ODD | rope() | dict(tie_word_embeddings=True)),
    "qwen2, yarn": (transformers.Qwen2Config, ODD | rope("yarn", **YARN)),
    "qwen3": (transformers.Qwen3Config, ODD | rope() | dict(head_dim=8)),
    "qwen3_moe, normed gates": (transformers.Qwen3MoeConfig, MOE | rope() | dict(norm_topk_prob=True, mlp_only_layers=[0])),
    "qwen3_moe, yarn": (transformers.Qwen3MoeConfig, MOE | rope("yarn", **YARN) | dict(norm_topk_prob=False)),
    "deepseek_v2, greedy, yarn": (transformers.DeepseekV2Config,
                                  MLA | rope("yarn", mscale=0.707, mscale_all_dim=0.707, **YARN) |
                                  dict(q_lora_rank=None, n_shared_experts=2, topk_method="greedy")),
    "deepseek_v2, groups": (transformers.DeepseekV2Config,
                            MLA | rope() | dict(q_lora_rank=12, topk_method="group_limited_greedy", n_group=4, topk_group=2,
                                                n_shared_experts=1, routed_scaling_factor=4.0)),
    "deepseek_v3, yarn, groups": (transformers.DeepseekV3Config,
                                  MLA | rope("yarn", mscale=1.0, mscale_all_dim=0.8, **YARN) |
                                  dict(q_lora_rank=12, n_group=4, topk_group=2, n_shared_experts=1, num_mtp_layers=1)),
    "deepseek_v3, biases, halves": (transformers.DeepseekV3Config,
                                    MLA | rope() | dict(q_lora_rank=None, n_group=2, topk_group=1, n_shared_experts=2,
                                                        attention_bias=True, rope_interleave=False, num_mtp_layers=0,
                                                        norm_topk_prob=False)),
}


def randomise(model, generator):
    """Norms off 1, biases off 0: a forgotten one shows."""
    state = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, value in state.items():
        if name.endswith("norm.weight"):
            value.data.add_(torch.randn(value.shape, generator=generator), alpha=0.2)
        elif name.endswith("bias"):
            value.data.copy_(torch.randn(value.shape, generator=generator) * 0.1)


def log_probs(model, tokens):
    logits = model(input_ids=torch.tensor([tokens])).logits[0, :-1].float()
    return logits.log_softmax(-1).gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]


def logical_gradients(model):
    """Under the names of the files: fused experts apart."""
    gradients = {}
    for name, parameter in model.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        prefix, _, last = name.rpartition(".")
        if not prefix.endswith(".experts"):
            gradients[name] = gradient
            continue
        for expert in range(gradient.shape[0]):
            if last == "down_proj":
                gradients[f"{prefix}.{expert}.down_proj.weight"] = gradient[expert]
            else:
                gate, up = gradient[expert].chunk(2)
                gradients[f"{prefix}.{expert}.gate_proj.weight"] = gate
                gradients[f"{prefix}.{expert}.up_proj.weight"] = up
    return {name: gradient.detach().contiguous() for name, gradient in gradients.items()}


def add_prediction_module(folder, generator):
    """The tensors of a prediction module as DeepSeek's files have them: a whole layer, and copies of embedding and head."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    last, module = f"model.layers.{layers - 1}.", f"model.layers.{layers}."
    hidden = tensors["model.norm.weight"].shape[0]
    added = {module + name[len(last):]: torch.randn(value.shape, generator=generator) * 0.1
             for name, value in tensors.items() if name.startswith(last)}
    for name in ("enorm", "hnorm", "shared_head.norm"):
        added[f"{module}{name}.weight"] = torch.ones(hidden)
    added[module + "eh_proj.weight"] = torch.randn((hidden, 2 * hidden), generator=generator) * 0.1
    added[module + "embed_tokens.weight"] = tensors["model.embed_tokens.weight"].clone()
    added[module + "shared_head.head.weight"] = tensors["lm_head.weight"].clone()
    save_file(tensors | added, path, metadata={"format": "pt"})


def build(root):
    generator = torch.Generator().manual_seed(1)
    for index, (name, (config_class, fields)) in enumerate(MODELS.items()):
        torch.manual_seed(index)
        model = transformers.AutoModelForCausalLM.from_config(config_class(**(SHAPE | fields)), **PLAIN).eval()
        randomise(model, generator)
        tokens = [1] + torch.randint(3, VOCABULARY, (47,), generator=generator).tolist()
        place = root / name
        place.mkdir()
        values = log_probs(model, tokens)
        (-values.mean()).backward()
        save_file(logical_gradients(model), place / "gradients.safetensors")
        folder = place / "folder"
        model.save_pretrained(folder)
        if fields.get("num_mtp_layers"):
            add_prediction_module(folder, generator)
        shutil.copy(TOKENIZER, folder / "tokenizer.json")
        (folder / "tokenizer_config.json").write_text(
            '{"note": "kept as it is", "bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"}\n')
        (place / "tokens.json").write_text(json.dumps(tokens))
        (place / "log_probs.json").write_text(json.dumps(values.tolist()))
    llama = transformers.AutoModelForCausalLM.from_pretrained(root / "llama, biases, linear rope" / "folder")
    llama.to(torch.bfloat16).save_pretrained(root / "bf16", max_shard_size="10KB")
    llama.to(torch.float16).save_pretrained(root / "fp16")
    build_fp8(root)


def build_fp8(root):
    """A folder whose larger matrices are in DeepSeek's fp8 format, and the same one with the numbers that these mean."""
    source = root / "deepseek_v3, yarn, groups" / "folder"
    coded, meant = {}, {}
    for name, value in load_file(source / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            coded[name] = meant[name] = value
            continue
        scales = value.new_full((-(-value.shape[0] // 128), -(-value.shape[1] // 128)), 0.0)
        for i in range(scales.shape[0]):
            for j in range(scales.shape[1]):
                scales[i, j] = value[128 * i:128 * (i + 1), 128 * j:128 * (j + 1)].abs().max() / 448
        spread = scales.repeat_interleave(128, 0)[:value.shape[0]].repeat_interleave(128, 1)[:, :value.shape[1]]
        coded[name] = (value / spread).to(torch.float8_e4m3fn)
        coded[name + "_scale_inv"] = scales
        meant[name] = coded[name].float() * spread
    for folder, tensors in (("fp8", coded), ("fp8 decoded", meant)):
        (root / folder).mkdir()
        save_file(tensors, root / folder / "model.safetensors", metadata={"format": "pt"})
        config = json.loads((source / "config.json").read_text())
        if folder == "fp8":
            config["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128],
                                             "activation_scheme": "dynamic"}
        (root / folder / "config.json").write_text(json.dumps(config))


def relative_difference(found, expected):
    """Largest over the tensors of |found - expected| / |expected|, 2-norms; a tensor without gradient must have none."""
    worst = 0.0
    for name, value in expected.items():
        norm = value.double().norm().item()
        difference = (found.pop(name).double() - value.double()).norm().item()
        worst = max(worst, difference / norm if norm > 0 else float(difference > 0))
    for name, value in found.items():  # deduce's prediction module, if anything
        worst = max(worst, value.abs().max().item())
    return worst


def bf16_distances(place, tokens):
    """From fp32's log-probs and gradients, each as (deduce in bf16, transformers in bf16): of log-probs the median over tokens,
    of gradients that over tensors of the relative distance. Medians, since in models with experts rounding also sends a few
    tokens to other experts, in either program."""
    model = transformers.AutoModelForCausalLM.from_pretrained(place / "folder", dtype=torch.bfloat16, **PLAIN).eval()
    values = log_probs(model, tokens)
    (-values.mean()).backward()
    exact = torch.tensor(json.loads((place / "log_probs.json").read_text()), dtype=torch.double)
    exact_gradients = {name: value.double() for name, value in load_file(place / "gradients.safetensors").items()
                       if value.abs().max() > 0}
    both = [(torch.tensor(json.loads((place / "deduce_bf16.json").read_text())), load_file(place / "deduce_bf16.safetensors")),
            (values, logical_gradients(model))]
    relative = lambda gradients: torch.stack([(gradients[name].double() - value).norm() / value.norm()
                                              for name, value in exact_gradients.items()])
    return {"bf16_log_probs": [(found.double() - exact).abs().median().item() for found, _ in both],
            "bf16_gradients": [relative(found).median().item() for _, found in both]}


def check(root):
    table = {}
    for name in MODELS:
        place = root / name
        tokens = json.loads((place / "tokens.json").read_text())
        expected = torch.tensor(json.loads((place / "log_probs.json").read_text()), dtype=torch.double)
        found = torch.tensor(json.loads((place / "deduce_fp32.json").read_text()), dtype=torch.double)
        exported = transformers.AutoModelForCausalLM.from_pretrained(place / "exported", dtype=torch.float32, **PLAIN).eval()
        with torch.no_grad():
            again = log_probs(exported, tokens).double()
        table[name] = {
            "log_probs": (found - expected).abs().max().item(),
            "gradients": relative_difference(load_file(place / "deduce_fp32.safetensors"),
                                             load_file(place / "gradients.safetensors")),
            "exported_log_probs": (again - expected).abs().max().item(),
        } | bf16_distances(place, tokens)
    own = root / "own"  # trained by deduce; its config.json is deduce's too
    model = transformers.AutoModelForCausalLM.from_pretrained(own / "exported", **PLAIN).eval()
    with torch.no_grad():
        values = log_probs(model, json.loads((own / "tokens").read_text())).double()
    found = torch.tensor(json.loads((own / "deduce_fp32.json").read_text()), dtype=torch.double)
    table["own"] = {"exported_log_probs": (values - found).abs().max().item()}
    (root / "table.json").write_text(json.dumps(table))


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    {"build": build, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
