"""The requirements of what is published, pinned to the versions that are installed here."""

from collections.abc import Iterable
from importlib.metadata import version

EXAMPLE = ("numpy", "onnxruntime", "pillow")
"""The packages that a network needs to be asked."""

APP = (
    *("filelock", "gradio", "huggingface-hub", "jinja2", "joblib", "kagglehub", "markupsafe", "matplotlib", "numpy"),
    *("onnx", "onnxruntime", "pandas", "pillow", "platformdirs", "plotly", "psutil", "scikit-learn", "scipy", "tqdm"),
    "typer",
)
"""The packages that the app needs where it trains nothing: neither Keras nor TensorFlow."""


def pinned(packages: Iterable[str]) -> str:
    """The text of a `requirements.txt`."""
    return "".join(f"{package}=={version(package)}\n" for package in packages)
