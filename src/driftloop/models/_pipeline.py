"""Diffusers pipelines: loaded, dressed with another scheduler or a LoRA, put where they run."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import ModelError, lacking, nearest
from ..seeds import digest
from . import _files, _torch
from ._needs import Wanted, lora_files
from ._protocols import Located

if TYPE_CHECKING:
    from .diffusers import DiffusersSettings

Task = Literal["text-to-image", "image-to-image"]
FEW_STEPS = ("LCMScheduler", "TCDScheduler")
"""Schedulers for distilled models, which diffusers does not count among the compatible ones."""


@dataclass(eq=False)
class Loaded(_torch.Weights):
    """A pipeline as it was loaded."""

    pipeline: Any


class Lora(NamedTuple):
    """Low-rank weights that are added to a model's own."""

    source: str
    """As it is named on the hub, or a folder."""
    located: Located
    file: str | None
    """The file in it, where one was named."""
    identity: str

    def fetched(self) -> tuple[Path, str]:
        """Its folder and file, fetched from the hub where they are not here.

        Raises:
            ModelError: It cannot be fetched, or there are several and none was named.
        """
        try:
            folder = _files.fetch(self.source, self.located, Wanted("lora", file=self.file))
        except ModelError as error:
            raise type(error)(f"lora '{self.source}': {error}") from error
        found = [self.file] if self.file else lora_files(path.name for path in folder.iterdir())
        if len(found) > 1:
            raise ModelError(
                f"lora '{self.source}': it has several files: {', '.join(found[:6])}; say which: "
                f'lora = "{self.source}/{found[0]}"'
            )
        return folder, found[0]


def find_lora(path: str) -> Lora:
    """Find a LoRA: a ``.safetensors`` file, a folder, ``owner/name`` or ``owner/name/file``.

    Raises:
        ModelError: It does not exist, or its weights are pickled.
    """
    file = _files.user_path(path)
    if file.is_file():
        if file.suffix != ".safetensors":
            raise ModelError(
                f"lora '{path}': not a .safetensors file; weights in other forms run code when "
                f"they are opened, and Driftloop does not read them"
            )
        folder = str(file.parent.resolve())
        identity = _files.hash_files(file.parent, [file])
        return Lora(folder, Located(folder, identity, None), file.name, identity)
    name, inside = path, None
    if not file.is_dir() and path.count("/") > 1 and not path.startswith((".", "/", "~")):
        owner, repository, inside = path.split("/", 2)
        name = f"{owner}/{repository}"
    try:
        located = _files.locate(name, Wanted("lora", file=inside))
    except ModelError as error:
        raise type(error)(f"lora '{path}': {error}") from error
    return Lora(name, located, inside, located.identity)


def wanted(settings: DiffusersSettings) -> Wanted:
    """What a pipeline's repository is opened for."""
    return Wanted("pipeline", settings.variant, settings.without)


def with_lora(located: Located, settings: DiffusersSettings) -> Located:
    """Name a model together with the LoRA that changes its weights."""
    if settings.lora is None:
        return located
    lora = find_lora(settings.lora)
    both = digest("lora", located.identity, lora.identity, lora.file or "").hex()
    return located._replace(identity=f"lora:{both}")


def check_scheduler(wish: str, current: str, path: str) -> None:
    """Refuse a scheduler that a pipeline cannot be sampled with; imports diffusers.

    Raises:
        ModelError: With those that can take its place.
    """
    try:
        import diffusers
    except ImportError:
        return  # Loading says what to install.
    own = getattr(diffusers, current, None)
    if own is None:
        return
    names = {cls.__name__ for cls in own._get_compatibles()} | {current}
    if current.startswith("FlowMatch"):
        names |= {name for name in dir(diffusers) if name.startswith("FlowMatch")}
    karras = {e.name for e in diffusers.schedulers.KarrasDiffusionSchedulers}
    if names & (karras | set(FEW_STEPS)):
        names |= karras | set(FEW_STEPS)
    if wish not in names:
        raise ModelError(
            f"{path}: scheduler '{wish}' cannot take the place of its {current}."
            f"{nearest(wish, names)} Compatible: {', '.join(sorted(names))}."
        )


def check_task(task: Task, pipeline: str, path: str) -> None:
    """Refuse a pipeline of a family that has none for the task; imports diffusers for an editor's.

    Raises:
        ModelError: There is none.
    """
    if task == "text-to-image":
        return  # Said by what loads it.
    try:
        import_module("transformers")  # It has to be there to be quieted.
        with _torch.quietly():
            _class_for(task, pipeline)
    except ImportError:
        return  # Loading says what to install.
    except ValueError as error:
        raise ModelError(
            f"{path}: task: diffusers has no {task} pipeline for its {pipeline}"
        ) from error


def _class_for(task: Task, pipeline: str) -> Any:
    """The pipeline for a task in the family of another one.

    Raises:
        ValueError: There is none.
    """
    from diffusers.pipelines import auto_pipeline as auto

    known = {
        "text-to-image": auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
        "image-to-image": auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
    }
    return auto._get_task_class(known[task], pipeline)


def for_task(pipeline: Any, task: Task) -> Any:
    """A pipeline with the same weights for a task: itself where it is one for that.

    Raises:
        ModelError: Its family has none.
    """
    import diffusers

    name = type(pipeline).__name__
    try:
        if type(pipeline) is _class_for(task, name):
            return pipeline
        auto = {
            "text-to-image": diffusers.AutoPipelineForText2Image,
            "image-to-image": diffusers.AutoPipelineForImage2Image,
        }[task]
        with _torch.quietly():
            other = auto.from_pipe(pipeline)
    except ValueError as error:
        raise ModelError(f"task: diffusers has no {task} pipeline for a {name}: {error}") from error
    other.set_progress_bar_config(disable=True)
    return other


def trained_side(pipeline: Any) -> int:
    """Pixels of the side of the pictures that a pipeline was trained at."""
    part = getattr(pipeline, "unet", None) or pipeline.transformer
    size = getattr(pipeline, "default_sample_size", None) or part.config.sample_size
    return int(size) * int(pipeline.vae_scale_factor)


def load(settings: DiffusersSettings, located: Located) -> Loaded:
    """Load a pipeline into main memory, with its LoRA, offloaded and compiled as wished."""
    torch = _torch.import_torch()
    try:
        import_module("diffusers")
        import_module("transformers")  # Pipelines import it; it has to be there to be quieted.
    except ImportError as error:
        raise ModelError(lacking("diffusers", "all", error)) from error
    device = _torch.pick_device(settings.place)
    if settings.offload != "none" and device.type == "cpu":
        raise ModelError(
            f'{settings.path}: offload = "{settings.offload}" keeps weights off an accelerator, '
            f"and the device is the CPU"
        )
    extra: dict[str, Any] = {name: None for name in settings.without}
    if settings.variant:
        extra["variant"] = settings.variant
    try:
        with _torch.quietly():
            pipeline = _from_pretrained(
                str(located.folder),
                settings.task,
                torch_dtype=_torch.pick_dtype(settings.dtype, device),
                use_safetensors=True,
                **_files.SAFE,
                **extra,
            )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{settings.path}: diffusers cannot load it: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    if settings.lora is not None:
        _fuse_lora(pipeline, settings)
    if device.type == "cpu":
        for module in _modules(pipeline):
            module.to(memory_format=torch.channels_last)
    if settings.offload != "none":
        pipeline = for_task(pipeline, settings.task)
    return _place(pipeline, settings, device)


def _from_pretrained(path: str, task: Task, **options: Any) -> Any:
    import diffusers

    # An editor too is loaded as a generator, so that they have the weights together; but where it
    # is an editor by its files (SDXL's refiner), it has settings that a generator would drop.
    auto = diffusers.AutoPipelineForText2Image
    if task == "image-to-image":
        config = diffusers.DiffusionPipeline.load_config(path, local_files_only=True)
        if _class_for(task, config["_class_name"]).__name__ == config["_class_name"]:
            auto = diffusers.AutoPipelineForImage2Image
    return auto.from_pretrained(path, **options)


def _fuse_lora(pipeline: Any, settings: DiffusersSettings) -> None:
    folder, file = find_lora(str(settings.lora)).fetched()
    if not hasattr(pipeline, "load_lora_weights"):
        raise ModelError(f"{settings.path}: {type(pipeline).__name__} takes no LoRA")
    try:
        import_module("peft")  # Diffusers imports it; without it the error would be its own.
    except ImportError as error:
        raise ModelError(lacking("a LoRA", "lora", error)) from error
    try:
        with _torch.quietly():
            pipeline.load_lora_weights(
                str(folder), weight_name=file, local_files_only=True, use_safetensors=True
            )
            if not pipeline.get_active_adapters():
                raise ValueError("none of its weights are this model's")
            pipeline.fuse_lora(lora_scale=settings.lora_scale)
            pipeline.unload_lora_weights()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{settings.path}: the LoRA '{settings.lora}' does not fit it: {reason}"
        ) from error


def _place(pipeline: Any, settings: DiffusersSettings, device: Any) -> Loaded:
    modules = _modules(pipeline)
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    if settings.offload != "none":
        # Which diffusers moves by itself from now on.
        modules = []
    if settings.compile:
        # The part that is called once a step; the rest does not repay its compilation.
        part = getattr(pipeline, "unet", None) or pipeline.transformer
        part.compile()
    return Loaded(modules, device, pipeline)


def _modules(pipeline: Any) -> list[Any]:
    torch = _torch.import_torch()
    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]


def dress(pipeline: Any, scheduler: str | None) -> Any:
    """A pipeline that shares its weights with others and has a scheduler of its own.

    Raises:
        ModelError: The scheduler's own dependencies are missing.
    """
    import diffusers

    cls = type(pipeline.scheduler) if scheduler is None else getattr(diffusers, scheduler)
    try:
        own = cls.from_config(pipeline.scheduler.config)
    except (ImportError, ValueError) as error:
        raise ModelError(f"scheduler '{scheduler}' cannot be used: {error}") from error
    dressed = copy.copy(pipeline)
    dressed.register_modules(scheduler=own)
    return dressed
