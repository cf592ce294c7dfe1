"""`parlour-hub doctor --profile`: a hub.toml that makes the most of this machine's GPU."""

import contextlib
import os
import secrets
from pathlib import Path

from hub.config import Settings, load_settings
from hub.engines.choices import check
from hub.engines.gpu import Gpu, GpuReport, driver_problem, find_gpus, memory_text
from hub.engines.gpu_plan import BASE, PARLER, PARLER_LARGE, Plan, plan
from hub.engines.parler.voices import CHECKPOINTS, languages_of
from hub.models.catalogue import HubSource, find_model

_SMALL_LLM = "qwen2.5-coder-1.5b-instruct-q4_k_m"
_PARLER_CUDA = 13  # that its torch (deploy/constraints-parler.txt) is built with


async def write_profile(settings: Settings, path: Path, *, replace: bool) -> int:
    """Write a file with settings for this machine; what it says passes the hub's own check.

    Args:
        settings: whose language is kept.
        path: the file.
        replace: whether one that is there already may be replaced.

    Raises:
        FileExistsError: it is there, and may not be.
        ConfigError: no voice speaks the language.
        OSError: it cannot be written.
    """
    report = await find_gpus()
    print(told(report, settings.language))
    text = profile(report, settings.language)
    _write(path, text, replace=replace)
    print(f"{path} is written. What comes next:")
    if report.gpus:
        print("  make install-gpu                         once; doctor says whether it worked")
    if (checkpoint := _checkpoint(settings.language)) and f'"{checkpoint}"' in text:
        print(f"  make parler MODEL={checkpoint}    the voice's weights")
    if '"piper"' in text:
        print(f"  make piper                               the voice; then name a model in {path}")
    print(f"  parlour-hub --config {path} models pull")
    print(f"  parlour-hub --config {path} doctor")
    print(f"  parlour-hub --config {path} serve")
    return 0


def told(report: GpuReport, language: str) -> str:
    """Say which GPU there is, what fits into its memory together, and what is in the way."""
    if not report.gpus:
        return report.problem
    gpu = report.gpus[0]
    others = f" (and {len(report.gpus) - 1} more)" if len(report.gpus) > 1 else ""
    able = f", can compute {gpu.capability[0]}.{gpu.capability[1]}" if gpu.capability else ""
    text = f"{gpu.name}{others}, {memory_text(gpu)}, driver {gpu.driver}{able}"
    chosen = _plan(gpu, language)
    text += f"\n  together fit: {fits(chosen)}"
    if chosen.parler and (old := driver_problem(gpu, _PARLER_CUDA)):
        text += f"\n  Parler stays on the processor, too slow to speak: {old}"
    return text


def fits(chosen: Plan) -> str:
    """Say what a plan puts on the GPU, and how much of it that takes."""
    parts = []
    if chosen.stt is not None:
        parts.append(f"{chosen.stt.model} ({chosen.stt.compute_type})")
    if chosen.llm is not None:
        parts.append(f"{chosen.llm.model} with {chosen.llm.context_tokens} tokens")
    if chosen.parler:
        parts.append("Parler mini")
    if not parts:
        return f"nothing, with {chosen.budget / 1024:.1f} GB to spare; see what uses its memory"
    return f"{', '.join(parts)}; about {chosen.memory / 1024:.1f} GB"


def profile(report: GpuReport, language: str) -> str:
    """Return the text of a hub.toml for what was found."""
    lines = ["# Written by `parlour-hub doctor --profile`. deploy/hub.sample.toml has every key."]
    if not report.gpus:
        lines += [f"# For the processor: {report.problem}.", "", f'language = "{language}"']
        lines += ["", "[stt]", 'device = "cpu"', 'compute_type = "int8"']
        lines += ["", "[llm]", "gpu_layers = 0"]
        lines += _voice(None, language)
        return "\n".join(lines) + "\n"
    gpu = report.gpus[0]
    chosen = _plan(gpu, language)
    lines += [f"# For {gpu.name}, {memory_text(gpu)}; it uses about {chosen.memory / 1024:.1f} GB."]
    lines += ["# What cannot be on the GPU runs on the processor; the page and doctor say so."]
    if len(report.gpus) > 1:
        lines += [
            "# There are more GPUs. So that all is on this one, start the hub with",
            f"#   CUDA_VISIBLE_DEVICES={gpu.uuid}",
        ]
    lines += ["", f'language = "{language}"', "", "[stt]"]
    if chosen.stt is None:
        lines += ['device = "cpu"', 'compute_type = "int8"']
    else:
        lines += _model(chosen.stt.model, "a folder with a CTranslate2 model", BASE.model)
        lines += ['device = "cuda"', f'compute_type = "{chosen.stt.compute_type}"']
    lines += ["", "[llm]"]
    if chosen.llm is None:
        lines += ["gpu_layers = 0"]
    else:
        lines += _model(chosen.llm.model, "a GGUF file", _SMALL_LLM)
        lines += ["gpu_layers = -1", f"context_tokens = {chosen.llm.context_tokens}"]
    lines += _voice(chosen, language)
    return "\n".join(lines) + "\n"


def _model(name: str, own: str, other: str) -> list[str]:
    """Return the lines that choose a model, and say what to do where it cannot be fetched."""
    lines = [f'model = "{name}"']
    if all(isinstance(source, HubSource) for source in find_model(name).sources):
        lines += [
            "# It comes from the model hub alone. Where that cannot be reached:",
            f'# {own}, or "{other}", which the package index has.',
        ]
    return lines


def _voice(chosen: Plan | None, language: str) -> list[str]:
    lines = ["", "[tts]"]
    checkpoint = _checkpoint(language)
    if chosen is not None and chosen.parler and checkpoint is not None:
        lines += ['engine = "parler"', f'model = "{checkpoint}"', 'device = "cuda"']
        if chosen.budget - chosen.memory >= PARLER_LARGE - PARLER and language == "en":
            lines += ['# model = "parler-tts-large-v1"   # fits, too: a better voice, and slower']
        return lines
    if language == "en":
        return [*lines, 'engine = "hibari"']
    return [
        *lines,
        'engine = "piper"',
        f"# A voice of Piper's that speaks {language!r} (docs/engines.md):",
        '# model = "/path/to/voice.onnx"',
    ]


def _checkpoint(language: str) -> str | None:
    """Return the first of Parler's mini checkpoints that speaks a language."""
    speak = (name for name in CHECKPOINTS if "mini" in name and language in languages_of(name))
    return next(speak, None)


def _plan(gpu: Gpu, language: str) -> Plan:
    return plan(gpu.memory, gpu.free, parler=_checkpoint(language) is not None)


def _write(path: Path, text: str, *, replace: bool) -> None:
    """Write a file all at once, after its settings were read back and checked."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}; make it, or name another file")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with partial.open("x") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        check(load_settings(partial))
        if replace:
            partial.replace(path)
        else:
            try:
                path.hardlink_to(partial)  # fails where there is one, even since a moment ago
            except FileExistsError:
                problem = f"{path} is there already; name another file, or add --replace"
                raise FileExistsError(problem) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
