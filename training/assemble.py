"""Put trained parts together in the native formats of diffusers."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderTiny,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn

from training import train_autoencoder, train_text
from training.schedule import trained

SCHEDULE = {
    "num_train_timesteps": 1000,
    # The noise of SD is made for 64 x 64 latents; 16 x 16 ones drown in it early.
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


def autoencoder() -> AutoencoderTiny:
    """The trained autoencoder (averaged weights), of the last stretch that there is."""
    decoder = train_autoencoder.checkpoint("decoder")
    last = decoder if decoder.exists() else train_autoencoder.checkpoint("whole")
    model = train_autoencoder.build()
    model.load_state_dict(trained(last)["average"])
    return model.eval().requires_grad_(False)


def text_encoders() -> tuple[train_text.CLIPTokenizer, nn.ModuleList]:
    """The tokenizer and the two trained text encoders (averaged weights)."""
    tokenizer = train_text.make_tokenizer()
    encoders = train_text.build(tokenizer)
    encoders.load_state_dict(trained(train_text.CHECKPOINT)["average"])
    return tokenizer, encoders.eval().requires_grad_(False)


def unet() -> UNet2DConditionModel:
    """Attention only at 8 x 8, where five places can be told apart; width where details are."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=8,
        block_out_channels=(128, 160),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=train_text.WIDTH * 2,
        attention_head_dim=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=train_text.POOLED + 6 * 16,
        norm_num_groups=16,
    )


def pipeline(
    unet_weights: dict[str, torch.Tensor], *, few_steps: bool = False
) -> StableDiffusionXLPipeline:
    """The whole generator around the given UNet weights, with a scheduler for many or few steps."""
    tokenizer, (first, second) = text_encoders()
    model = unet()
    model.load_state_dict(unet_weights)
    scheduler = (
        DDIMScheduler(**SCHEDULE, clip_sample=False)
        if few_steps
        else DPMSolverMultistepScheduler(
            **SCHEDULE,
            algorithm_type="dpmsolver++",
            solver_order=2,
            final_sigmas_type="zero",
        )
    )
    return StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=first,
        text_encoder_2=second,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=model.eval(),
        scheduler=scheduler,
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
