"""The origin and the licence of data sets that are known by their fingerprint."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """A published data set: sentences on where it comes from, and the licence that it hands on.

    `licence` is the Hub's identifier, `licence_text` what a folder of files that were made of the data holds as `LICENSE`.
    """

    title: str
    sentences: tuple[str, ...]
    citation: str
    licence: str
    licence_title: str
    licence_url: str
    licence_text: str


HAM10000 = Provenance(
    title="HAM10000",
    sentences=(
        "Dermatoscopic images of pigmented skin lesions from two sites, the Department of Dermatology of the Medical "
        "University of Vienna, Austria, and a skin cancer practice in Queensland, Australia, taken with different devices and "
        "gathered by its authors after the fact.",
        "They were collected so that every important diagnosis of pigmented lesions is there: the shares of the diagnoses are "
        "those of the collection, not of any practice.",
        "On ethics approval, consent and how the images were selected and edited, see the publication.",
    ),
    citation=(
        "Tschandl, P., Rosendahl, C. & Kittler, H. The HAM10000 dataset, a large collection of multi-source dermatoscopic "
        "images of common pigmented skin lesions. Sci. Data 5, 180161 (2018), doi:10.1038/sdata.2018.161."
    ),
    licence="cc-by-nc-sa-4.0",
    licence_title="CC BY-NC-SA 4.0",
    licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/",
    licence_text="""\
The files in this folder were made by training on HAM10000 and are shared under the same licence as the data:
Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International (CC BY-NC-SA 4.0),
https://creativecommons.org/licenses/by-nc-sa/4.0/

Tschandl, P., Rosendahl, C. & Kittler, H. The HAM10000 dataset, a large collection of multi-source dermatoscopic images of
common pigmented skin lesions. Sci. Data 5, 180161 (2018), doi:10.1038/sdata.2018.161.

For research and education only, never for diagnosis.
""",
)

PROVENANCES = {"2936ef0ffc02de4f": HAM10000}
"""Known data sets by the fingerprint of ids, lesions and diagnoses, which is the same wherever the files lie."""


def provenance_of(fingerprint: str | None) -> Provenance | None:
    """The published data set of this fingerprint, None where it is none of those known."""
    return PROVENANCES.get(fingerprint or "")


WEIGHTS = {
    (f"efficientnet_lite{number}", "imagenet"): (
        f"It started from ImageNet weights of EfficientNet-Lite{number} (Copyright The TensorFlow Authors, Apache License 2.0)."
    )
    for number in range(3)
}
"""A sentence on the licence of pretrained weights, by a configuration's `backbone` and `weights`."""
