"""Models in ONNX, on one core."""

from pathlib import Path
from typing import Any

from hub.engines.base import EngineError, EngineUnavailable


def open_model(path: Path, engine: str) -> Any:
    """Return a session of onnxruntime, which has one thread and says little.

    Args:
        path: the file.
        engine: what to call it in errors.

    Raises:
        EngineUnavailable: onnxruntime is missing.
        EngineError: the file does not load.
    """
    try:
        import onnxruntime
    except ImportError as exc:
        raise EngineUnavailable(f"{engine}: {exc}; install the extra 'hub'") from exc
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime has no public base class of its errors
        raise EngineError(f"{engine}: {path} does not load: {exc}") from exc
