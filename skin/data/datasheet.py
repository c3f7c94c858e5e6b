"""The datasheet of a run: the images behind its parts, in counts, and the file that a run keeps it in.

Named after Gebru et al. 2021, "Datasheets for datasets". It tells what the model card says of the data where these are not at hand.
"""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from PIL import Image

from skin.data.dataset import Dataset, LesionImage
from skin.data.groups import Groups, group
from skin.data.splits import Overlap, Split, audit
from skin.errors import UserError
from skin.files import read_json, write_atomically
from skin.patient import UNKNOWN
from skin.records import checked, from_plain, to_plain

N_SIZES = 5
"""Sizes of images that are counted one by one, the commonest; the others are counted together."""

OTHER_SIZES = "other"


@dataclass(frozen=True)
class PartSheet:
    """The images of one part, or of all parts together.

    `diagnoses` and `lesions_of` count the images and the lesions of each diagnosis; `unknown` the images of which a field
    of the patient is unknown; `groups` the images of each group by the grouping and the group's name; `confirmed_by` the
    images by the way in which the diagnosis was confirmed, and by diagnosis.
    """

    images: int
    lesions: int
    diagnoses: dict[str, int]
    lesions_of: dict[str, int]
    unknown: dict[str, int]
    groups: dict[str, dict[str, int]]
    confirmed_by: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Datasheet:
    """The data that a run was made of.

    `left_out` counts rows of the table that were not used, `without_lesion` images that name no lesion and so count as one
    of their own, `sizes` the images by width×height in pixels, as their files have them. `overlaps` are the lesions that
    two parts have in common; `shared_test_images` test images show a lesion of the training part.
    """

    dataset: str
    fingerprint: str
    synthetic: bool
    left_out: int
    without_lesion: int
    sizes: dict[str, int]
    whole: PartSheet
    parts: dict[str, PartSheet]
    overlaps: tuple[Overlap, ...]
    shared_test_images: int

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Self:
        """The datasheet of a split of the data set. Raises UserError when the split names an image that is not there."""
        leak = audit(split, dataset.images)
        groups = group(dataset)
        by_id = {image.image_id: image for image in dataset.images}
        parts = {part: [by_id[image_id] for image_id in ids] for part, ids in split.parts.items()}
        used = [image for images in parts.values() for image in images]
        return cls(
            dataset=dataset.title,
            fingerprint=dataset.fingerprint,
            synthetic=dataset.synthetic,
            left_out=len(dataset.dropped),
            without_lesion=sum(image.lesion_id == image.image_id for image in used),
            sizes=_sizes(used),
            whole=_part(dataset, groups, used),
            parts={part: _part(dataset, groups, images) for part, images in parts.items()},
            overlaps=leak.overlaps,
            shared_test_images=leak.shared_test_images,
        )

    def save(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        write_atomically(path, self.to_json().encode())

    def to_json(self) -> str:
        """The datasheet as the text of a JSON object."""
        return json.dumps(to_plain(self), indent=1, ensure_ascii=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The datasheet that `save` wrote. Raises UserError when the file is missing or damaged."""
        try:
            return checked(from_plain(cls, read_json(path)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} holds no datasheet ({error}): make it anew from the data set.") from error


def _part(dataset: Dataset, groups: Groups, images: Sequence[LesionImage]) -> PartSheet:
    lesions_of = defaultdict(set)
    confirmed_by: dict[str, Counter[str]] = defaultdict(Counter)
    for image in images:
        lesions_of[image.diagnosis].add(image.lesion_id)
        confirmed_by[image.confirmed_by or UNKNOWN][image.diagnosis] += 1
    counts = Counter(image.diagnosis for image in images)
    return PartSheet(
        images=len(images),
        lesions=len({image.lesion_id for image in images}),
        diagnoses={code: counts[code] for code in dataset.task.codes},
        lesions_of={code: len(lesions_of[code]) for code in dataset.task.codes},
        unknown={
            field.name: sum(image.patient[field.name] is None for image in images) for field in dataset.task.fields
        },
        groups={name: _group_sizes(images, members) for name, members in groups.items()},
        confirmed_by={way: dict(counted) for way, counted in sorted(confirmed_by.items())},
    )


def _group_sizes(images: Sequence[LesionImage], members: Mapping[str, str]) -> dict[str, int]:
    """The number of images of each group, in the alphabet's order but for "unknown", which comes last."""
    sizes = Counter(members[image.image_id] for image in images)
    return {name: sizes[name] for name in sorted(sizes, key=lambda name: (name == UNKNOWN, name))}


def _sizes(images: Sequence[LesionImage]) -> dict[str, int]:
    """The number of images of each size, the commonest first; a file that has gone meanwhile is not counted."""
    counted: Counter[str] = Counter()
    for image in images:
        with contextlib.suppress(OSError), Image.open(image.path) as opened:
            counted["{}×{}".format(*opened.size)] += 1
    common = dict(counted.most_common(N_SIZES))
    others = counted.total() - sum(common.values())
    return common | ({OTHER_SIZES: others} if others else {})
