"""Writes small random models of every family and what transformers computes with them.

usage: model_parity.py OUT
OUT/<family>/{config.json, model*.safetensors, expected.safetensors}
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

LENGTHS = [1, 2, 63, 64, 65, 127, 128, 129, 256, 300]
VOCAB = 1000
SMALL = dict(vocab_size=VOCAB, hidden_size=64, num_attention_heads=4, num_hidden_layers=4, intermediate_size=96)
MODERN = dict(SMALL, max_position_embeddings=512, pad_token_id=3, bos_token_id=0, cls_token_id=0, eos_token_id=1, sep_token_id=1)
PLAIN = dict(SMALL, max_position_embeddings=320, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
FAMILIES = {
    "modernbert": transformers.ModernBertConfig(**MODERN),
    "modernbert-bias": transformers.ModernBertConfig(
        **MODERN, attention_bias=True, mlp_bias=True, norm_bias=True,
        classifier_bias=True, tie_word_embeddings=False, global_attn_every_n_layers=2, local_attention=32,
    ),
    "bert": transformers.BertConfig(**PLAIN),
    "roberta": transformers.RobertaConfig(**PLAIN, pad_token_id=1),
    "xlm-roberta": transformers.XLMRobertaConfig(**dict(PLAIN, hidden_act="gelu_new"), pad_token_id=1),
}


def shake(model):
    """Random biases and scales, so that a tensor left out shows."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            else:
                parameter.mul_(4)


def gradients(model):
    """The gradient of every parameter; one that is shared counts once, under the embedding's or the head's own name."""
    named, seen = {}, set()
    for name, parameter in sorted(model.named_parameters(remove_duplicate=False), key=lambda item: "decoder" in item[0]):
        if parameter.grad is not None and id(parameter) not in seen:
            seen.add(id(parameter))
            named[f"gradient.{name}"] = parameter.grad
    return named


def main(out: Path):
    for seed, (name, config) in enumerate(FAMILIES.items()):
        torch.manual_seed(seed)
        config._attn_implementation = "eager"
        model = transformers.AutoModelForMaskedLM.from_config(config).eval()
        shake(model)
        expected, loss = {}, 0.0
        for length in LENGTHS:
            ids = torch.randint(5, VOCAB, (1, length))
            output = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True)
            hidden = output.hidden_states[-1][0]
            sparse = torch.log1p(torch.relu(output.logits)).max(dim=1).values[0]
            upstream = torch.randn(VOCAB)
            loss = loss + (sparse * upstream).sum()
            expected |= {
                f"{length}.ids": ids[0], f"{length}.hidden": hidden.detach(), f"{length}.logits": output.logits[0].detach(),
                f"{length}.sparse": sparse.detach(), f"{length}.upstream": upstream,
            }
        loss.backward()
        expected |= gradients(model)
        folder = out / name
        # A small limit makes shards and an index for some of the families.
        model.save_pretrained(folder, max_shard_size="200KB" if name in ("bert", "modernbert-bias") else "5GB")
        save_file({key: value.contiguous().clone() for key, value in expected.items()}, folder / "expected.safetensors")


main(Path(sys.argv[1]))
