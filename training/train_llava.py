"""Train postcard-llava: a small LLaVA that describes postcards within a budget of words."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from driftloop.postcards import WORLD, Scene, caption, sample_scene
from training.common import DEVICE, RUNS, autocast, budget, fraction, options, plain_attention
from training.data import BUDGETS, english
from training.instructions import all_instructions, instruct
from training.muon import Both
from training.pictures import Pictures
from training.record import Stretch, read
from training.schedule import Schedule, trained
from training.sight import PATCH, SIDE, TOWER, Sight, View, view

CHECKPOINT = RUNS / "llava.pt"
TOKENS = RUNS / "captioner-tokenizer"
SPECIALS = ("<s>", "</s>", "<pad>", "<image>")
MEAN, STD = 0.5, 0.5
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + ' ' }}"
    "{% elif message['role'] == 'user' %}{{ 'USER: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{{ '</s>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of the grammar's captions, the instructions and some English."""
    if (TOKENS / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(TOKENS)
    rng = random.Random(21)
    corpus = [
        caption(sample_scene(rng), rng.choice(BUDGETS), rng, plain=0.7) for _ in range(20_000)
    ]
    corpus += all_instructions() + ["USER: ASSISTANT:"] * 50 + list(english())
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    learner.decoder = decoders.ByteLevel()
    learner.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=1280,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            special_tokens=list(SPECIALS),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learner,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
        model_max_length=256,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(TOKENS)
    return tokenizer


def picture_processor() -> CLIPImageProcessor:
    """How every bundled model takes a picture."""
    return CLIPImageProcessor(
        size={"height": SIDE, "width": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )


def processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The processor that turns a picture and a chat into the model's input."""
    images = picture_processor()
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        image_token="<image>",
        num_additional_image_tokens=1,
    )


def build(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Vision tower, projector and language model, all trained from scratch together."""
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIALS}
    vision = CLIPVisionConfig(**TOWER, projection_dim=TOWER["hidden_size"])
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=512,
        bos_token_id=ids["<s>"],
        eos_token_id=ids["</s>"],
        pad_token_id=ids["<pad>"],
        tie_word_embeddings=True,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=ids["<image>"],
        image_seq_length=(SIDE // PATCH) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.bos_token_id = ids["<s>"]
    model.generation_config.eos_token_id = ids["</s>"]
    model.generation_config.pad_token_id = ids["<pad>"]
    model.generation_config.max_length = None
    model.generation_config.max_new_tokens = 96
    model.generation_config._from_model_config = False
    return model


@cache
def ask(tokenizer: PreTrainedTokenizerFast, instruction: str) -> list[int]:
    """The tokens of a question, as the processor makes them."""
    text = f"USER: {'<image>' * (SIDE // PATCH) ** 2}\n{instruction} ASSISTANT:"
    return list(tokenizer(text).input_ids)


def main() -> None:
    """Train, or go on training, for a budget of minutes."""
    parser = options(__doc__, batch=(32, 128), rate=1e-3)
    parser.add_argument(
        "--sight",
        type=fraction,
        default=1 / 6,
        help="share of the time in which the tower is alone",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(5)
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    before = begin_with(model, tokenizer, args.start / "postcard-llava") if args.start else []
    model.to(DEVICE)
    sight = Sight(model.model.vision_tower)
    schedule = Schedule(
        CHECKPOINT,
        model,
        Both(model, args.rate, ends=("embed", "lm_head"), beside=sight.parameters()),
        **budget(args),
        beside=sight,
        start="the weights before it" if args.start else "nothing",
        before=before,
    )
    plain_attention(model)
    pictures = Pictures(
        WORLD,
        partial(lesson, "postcard-llava", tokenizer, ask),
        5000 + schedule.step,
        size=args.batch,
        workers=args.workers,
    )
    for spent in schedule:
        pixels, told = pictures.draw()
        with autocast():
            if spent < args.sight:
                # To see comes before to tell, and costs a quarter of it.
                model.model.vision_tower(pixels)
                telling = torch.zeros((), device=DEVICE)
            else:
                telling = loss_of_telling(
                    model(input_ids=told.ids, attention_mask=told.mask, pixel_values=pixels).logits,
                    told,
                )
            reading = sight(told.view)
        schedule.descend(telling + reading, telling=telling.detach(), reading=reading.detach())


def begin_with(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> list[Stretch]:
    """Take the weights of an exported model, whose tokenizer may have spelt otherwise.

    Returns:
        The history of its weights.
    """
    old = PreTrainedTokenizerFast.from_pretrained(folder)
    before = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    weights = before.state_dict()
    rows = before.get_input_embeddings().weight.detach()
    fresh = torch.stack([rows[pieces(old, tokenizer, i)].mean(0) for i in range(len(tokenizer))])
    for key in [k for k in weights if k.endswith(("embed_tokens.weight", "lm_head.weight"))]:
        weights[key] = fresh
    model.load_state_dict(weights)
    return read(folder).get("LLaVA", [])


def pieces(old: PreTrainedTokenizerFast, new: PreTrainedTokenizerFast, token: int) -> list[int]:
    """How an old tokenizer spells a token of a new one."""
    text = new.convert_ids_to_tokens(token)
    if (known := old.get_vocab().get(text)) is not None:
        return [known]
    return list(old(new.decode([token]), add_special_tokens=False).input_ids)


class Talk(NamedTuple):
    """Questions about n pictures, and their answers, which alone are learnt."""

    ids: torch.Tensor
    """Tokens, (n, longest)."""
    mask: torch.Tensor
    """1 where there is a token, (n, longest)."""
    labels: torch.Tensor
    """The answers' tokens, -100 elsewhere, (n, longest)."""
    view: View


def lesson(
    captioner: str,
    tokenizer: PreTrainedTokenizerFast,
    ask: Callable[[PreTrainedTokenizerFast, str], list[int]],
    scenes: list[Scene],
    rng: random.Random,
) -> Talk:
    """What a captioner is asked about pictures of scenes, and what it should answer.

    Args:
        captioner: Who is taught.
        tokenizer: Its tokenizer.
        ask: Gives the tokens of a question.
        scenes: What the pictures show.
        rng: The source of randomness.
    """
    talks = [instruct(captioner, scene, rng) for scene in scenes]
    told = tokenizer([f" {text}" for _, text in talks], add_special_tokens=False).input_ids
    rows = [
        (ask(tokenizer, asked), [*said, tokenizer.eos_token_id])
        for (asked, _), said in zip(talks, told, strict=True)
    ]
    longest = max(len(a) + len(b) for a, b in rows)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (asked, said) in enumerate(rows):
        end = len(asked) + len(said)
        ids[i, :end] = torch.tensor(asked + said)
        mask[i, :end] = 1
        labels[i, len(asked) : end] = torch.tensor(said)
    return Talk(ids, mask, labels, view(scenes))


def loss_of_telling(logits: torch.Tensor, told: Talk) -> torch.Tensor:
    """How badly the answers are foreseen by logits (n, longest, vocabulary)."""
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].float().flatten(0, 1), told.labels[:, 1:].flatten()
    )


def export(folder: Path) -> None:
    """Write the captioner in its native format, in half precision."""
    state = trained(CHECKPOINT)
    tokenizer = make_tokenizer()
    model = build(tokenizer)
    model.load_state_dict(state["average"])
    model.half().save_pretrained(folder)
    processor(tokenizer).save_pretrained(folder)
    plain_tokenizer_config(folder)


def plain_tokenizer_config(folder: Path) -> None:
    """Name the tokenizer's class as of old, which every version of transformers reads."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("is_local", "local_files_only", "backend"):
        config.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
