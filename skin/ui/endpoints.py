"""What programs may call: the documented API of the app."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import api

from skin import batch
from skin.batch import Row
from skin.errors import UsageError
from skin.patient import Patient, Sex, Site
from skin.predict import Record
from skin.ui import uploads
from skin.ui.page import spoken
from skin.ui.predictors import AUTOMATIC, BOTH, Predictors

PREDICTING: dict[str, Any] = {"concurrency_id": "predict", "concurrency_limit": 4}
"""Single predictions have turns of their own, so that they wait neither for a training nor for a batch."""

BATCH: dict[str, Any] = {"concurrency_id": "predict_batch", "concurrency_limit": 2}


@dataclass(frozen=True)
class Endpoints:
    """The functions behind `/predict` and `/predict_batch`."""

    predictors: Predictors

    def predict(
        self,
        image: gr.FileData,
        age: float | None = None,
        sex: Sex = Sex.UNKNOWN,
        site: Site = Site.UNKNOWN,
        model: str = AUTOMATIC,
    ) -> Record:
        """Predict the diagnosis of one dermatoscopic image. For research and education only, not for diagnosis.

        Parameters:
            image: a JPEG, PNG, WebP, TIFF or BMP file of at most 20 MB and 50 million pixels
            age: age of the patient in years, null if unknown
            sex: female, male or unknown
            site: body site of the lesion, or unknown
            model: name of a finished run, or "automatic": with the patient's data where any is given
        Returns:
            the diagnosis, the probabilities by code, what cannot be ruled out, the risk and what to do. The risk is high
            where the most probable diagnosis is malignant; moderate where the malignant probability reaches the run's own
            threshold, or a malignant or pre-cancerous diagnosis is in the prediction set; low where none of these holds
        """
        upload = uploads.read(image)
        if upload is None:
            raise UsageError("There is no image: upload one, then name what the upload returned.")
        if model == BOTH:
            raise UsageError("One call asks one model: call once for each of them.")
        patient = Patient.parse(age, sex, site)
        (predictor,) = self.predictors.choose(model, patient)
        return predictor.record(predictor.predict(upload.content, patient))

    def predict_batch(
        self, images: list[gr.FileData], patients: gr.FileData | None = None, model: str = AUTOMATIC
    ) -> list[Row]:
        """Predict many images. One that cannot be read has an `error` in its row, and the rest goes on.

        Parameters:
            images: image files, and ZIP files of images: at most 500 images of 200 MB in all
            patients: a CSV with a column `image` (file names) and any of `age`, `sex` and `site`
            model: name of a finished run, "automatic", or "both" for two rows an image
        Returns:
            a row an image: its name, what was known of the patient, and what `/predict` returns
        """
        upload = uploads.read(patients)
        known = batch.read_patients(*upload) if upload else {}
        return batch.predict_all(partial(self.predictors.choose, model), uploads.read_all(images), known)

    def publish(self) -> None:
        """Offer both under the context of a `gr.Blocks`."""
        api(spoken(self.predict), api_name="predict", **PREDICTING)
        api(spoken(self.predict_batch), api_name="predict_batch", **BATCH)
