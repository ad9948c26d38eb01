"""Chat templates against transformers and jinja2: the templates published in trl on conversations
of all kinds, and random templates of the constructs we claim to support. Where they raise, we must; else the strings
are equal."""
import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest
from unittest import mock

SOURCE = pathlib.Path(__file__).resolve().parents[4]
REFERENCE = SOURCE / ".deps" / "reference" / "bin" / "python"
if pathlib.Path(sys.prefix).resolve() != (SOURCE / ".deps" / "reference").resolve():
    os.execv(REFERENCE, [str(REFERENCE), *sys.argv])  # transformers is there

sys.path.insert(0, str(SOURCE / "tests" / "end_to_end"))
import deduce_runs  # noqa: E402
import jinja2  # noqa: E402
import random_templates  # noqa: E402
import trl  # noqa: E402
from transformers.utils import chat_template_utils  # noqa: E402

RENDER = os.environ.get("RENDER_CHAT_LINES", SOURCE / "build" / "tests" / "render_chat_lines")
NOW = 1751375045
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
# What the families of deduce use; each must be found and agree. Other published templates must agree or be refused.
FAMILIES = {"deepseekv3", "deepseek_r1_distill", "qwen2_5", "qwen3", "qwen3_instruct_2507", "llama3", "llama3_1",
            "llama3_2", "turns_of_smollm2", "turns_of_mistral"}


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


CONVERSATIONS = [
    [user("Hi")],
    [user("")],
    [system("Be brief."), user("Hi")],
    [system(""), user("Hi"), assistant("Hello"), user("Who?"), assistant("Me."), user("Why?")],
    [user("  leading and trailing \n\n"), assistant("\n answer\t"), user("\u3000wide\u00a0 ")],
    [user("三五 \U0001f600 e\u0301 مرحبا \u200b"), assistant("ß İ ﬁ")],
    [user("q"), assistant("<think>\nlet me see\n</think>\n\nthe answer"), user("more"), assistant("<think>x</think>y")],
    [user("q"), assistant("ans", reasoning_content="because")],
    [user("q"), assistant("ans", reasoning="because"), user("r"), assistant("b", thinking="t")],
    [user("a <|im_end|> {{ b }} {% if %} \\n 'q' \"d\""), assistant("x{#y#}")],
    [system("s"), user("a"), assistant("b")],
    [user("a"), user("b")],
    [assistant("a"), user("b")],
    [user("a"), system("late"), assistant("b")],
    [user("a"), {"role": "tool", "content": "42"}, assistant("b")],
    [user("a"), {"role": "critic", "content": "?"}],
    [user("a"), assistant(None), user("b")],
    [user("a"), {"role": "assistant"}, user("b")],
    [user([{"type": "text", "text": "part one"}, {"type": "text", "text": "part two"}])],
    [{"content": "no role"}],
    [user("a\r\nb\rc"), assistant("\t"), user("\x1f\x85x\u2028")],
    [system(" s "), system("t"), user("a"), assistant("b"), user("c"), assistant("d"), user("e")],
]


# The shapes of two families whose templates trl does not have, with the constructs that theirs use: a default system message
# (SmolLM2), strict turns and an exception (Mistral).
OWN = {
    "turns_of_smollm2": "{%- for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
                        "{{ '<|im_start|>system\nBe brief.<|im_end|>\n' }}{% endif %}"
                        "{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
                        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "turns_of_mistral": "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
                        "{{ raise_exception('user and assistant take turns') }}{% endif %}{% if m['role'] == 'user' %}"
                        "{{ '[INST] ' + m['content'] | trim + ' [/INST]' }}{% elif m['role'] == 'assistant' %}"
                        "{{ m['content'] + eos_token + ' ' }}{% else %}{{ raise_exception('another role') }}{% endif %}"
                        "{% endfor %}",
}


def published_templates():
    """Name -> template: those that trl brings, and our own two."""
    folder = pathlib.Path(trl.__file__).parent / "chat_templates"
    return OWN | {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja"))}


def expected(request):
    """What apply_chat_template would return, or None where it raises. Its own steps in front of the rendering: messages
    must not be empty, and lose the fields that are None."""
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(NOW)

    messages = [{k: v for k, v in message.items() if v is not None} for message in request["messages"]]
    with mock.patch.object(chat_template_utils, "datetime", Clock):
        try:
            texts, _ = chat_template_utils.render_jinja_template(
                conversations=[messages], chat_template=request["template"],
                add_generation_prompt=request["add_generation_prompt"],
                continue_final_message=request.get("continue_final_message", False), **request["variables"])
            return texts[0]
        except Exception:  # of any type: templates raise them all
            return None


def knows_names(template):
    """Jinja refuses a filter or test it does not know when it reads the template, mostly; we when it is reached."""
    try:
        chat_template_utils._compile_jinja_template(template)
    except jinja2.TemplateAssertionError:
        return False
    except Exception:  # other errors of the template
        pass
    return True


def ours(requests):
    """{"text"} or {"error"} for each."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    result = subprocess.run([str(RENDER)], input=lines.encode(), capture_output=True, timeout=600)
    if result.returncode != 0:
        raise AssertionError(f"the renderer ended with {result.returncode}: {result.stderr[-500:]}")
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def request(template, messages, add_generation_prompt=False, **more):
    return {"template": template, "messages": messages, "add_generation_prompt": add_generation_prompt,
            "variables": TOKENS, "now": NOW, **more}


class RandomTemplates:
    """Tests of a class that says how many templates each draws."""

    def compare(self, requests):
        """Equal strings, errors against errors. Returns how many of each, and requests that only we refuse."""
        texts, errors, refused, wrong = 0, 0, [], []
        for asked, got in zip(requests, ours(requests), strict=True):
            want = expected(asked)
            if "error" in got:
                errors += want is None
                if want is not None:
                    refused.append((asked, got["error"], want))
            elif got["text"] != want:
                wrong.append((asked, got["text"], want))
            else:
                texts += 1
        for asked, got, want in wrong[:3]:
            print(f"\n{asked['template'][-600:]!r}\n{asked['messages']}\n ours {got!r}\n want {want!r}")
        self.assertEqual(len(wrong), 0, "another string than the reference's")
        return texts, errors, refused

    def test_random_templates(self):
        """Small templates; what only we refuse must be named as unsupported, and be rare."""
        chance = random.Random(20251)
        requests = [request(random_templates.make(chance), chance.choice(CONVERSATIONS), chance.random() < 0.5)
                    for _ in range(self.num_random)]
        for i, asked in enumerate(requests):
            asked["seed"] = i
        texts, errors, refused = self.compare(requests)
        for asked, error, want in refused:
            self.assertIn("a supported construct", error, f"{asked['template']!r} gives {want!r}")
        print(f"{len(requests)} random templates: {texts} equal strings, {errors} errors in both, {len(refused)} refused by us only")
        self.assertGreater(texts, len(requests) // 3)
        self.assertLess(len(refused), len(requests) // 10)

    def test_damaged_templates(self):
        """Published templates with a piece cut out, doubled or moved: mostly errors, of which none may be a crash."""
        chance = random.Random(7)
        templates = published_templates()
        requests = []
        for _ in range(self.num_damaged):
            text = templates[chance.choice(sorted(FAMILIES))]
            begin = chance.randrange(len(text))
            piece = text[begin:begin + chance.choice((1, 1, 2, 5, 20))]
            at = chance.randrange(len(text))
            damaged = chance.choice((text[:begin] + text[begin + len(piece):], text[:at] + piece + text[at:]))
            if knows_names(damaged):
                requests.append(request(damaged, chance.choice(CONVERSATIONS[:12]), chance.random() < 0.5))
        texts, errors, refused = self.compare(requests)
        print(f"{len(requests)} damaged templates: {texts} equal strings, {errors} errors in both, {len(refused)} refused by us only")
        for asked, error, want in refused[:3]:
            print(f"refused: {error}")


class ChatTemplateParity(RandomTemplates, unittest.TestCase):
    num_random, num_damaged = 1000, 200

    def test_published_templates(self):
        templates = published_templates()
        self.assertLessEqual(FAMILIES, set(templates))
        counts = {}
        for name, template in templates.items():
            requests = [request(template, messages, add) for messages in CONVERSATIONS for add in (False, True)]
            requests += [request(template, messages, continue_final_message=True) for messages in CONVERSATIONS]
            requests += [request(template, messages, True, variables={**TOKENS, "enable_thinking": thinking})
                         for messages in CONVERSATIONS[:8] for thinking in (False, True)]
            requests += [request(template, messages, variables={"eos_token": "</s>"}) for messages in CONVERSATIONS[:4]]
            texts, errors, refused = self.compare(requests)
            counts[name] = (texts, errors, len(refused))
            if name in FAMILIES:
                self.assertEqual(refused, [], f"{name}: only we refuse this")
                self.assertGreater(texts, 20)
            for _, error, _ in refused[:1]:
                print(f"{name}: {len(refused)} refused: {error}")
        deduce_runs.leave_for_parity_table("chat_templates", {name: texts for name, (texts, _, _) in counts.items()})
        equal, raised, refused = (sum(c[i] for c in counts.values()) for i in range(3))
        print(f"{len(templates)} published templates: {equal} equal strings, {raised} errors in both, {refused} refused by us only")
        self.assertGreater(equal, 50 * len(counts) // 2)


class NightlyChatTemplateParity(RandomTemplates, unittest.TestCase):
    num_random, num_damaged = 20000, 2000


if __name__ == "__main__":
    deduce_runs.run_tests()
