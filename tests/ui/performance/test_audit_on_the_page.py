"""The audit of a run on the Performance tab and in its files."""

import json
import re
import shutil
from pathlib import Path

import gradio as gr
import pytest

from skin.audit.audit import AUDITS, load_step
from skin.audit.robustness import PERTURBATIONS
from skin.data.views import ORIENTATIONS
from skin.evaluation.metrics import METRICS
from skin.records import to_plain
from skin.run import Run
from skin.ui.components.loaded_report import LoadedReport, load_part
from skin.ui.performance import handlers
from skin.ui.performance.audit_sections import SECTIONS, audit_figures, section
from skin.ui.performance.export import DOWNLOADS

pytestmark = pytest.mark.slow


@pytest.fixture
def loaded(audited: Run) -> LoadedReport:
    """The test part of a run whose audit is whole."""
    return load_part(audited, "test")


@pytest.fixture
def own(audited: Run, tmp_path: Path) -> Run:
    """A copy that a test may damage."""
    return Run(shutil.copytree(audited.folder, tmp_path / "own"))


def shown(loaded: LoadedReport) -> tuple[gr.Accordion, str, dict[str, str], list[gr.Plot]]:
    """The accordion, the notice, the section of each step, and all figures."""
    accordion, notice, *steps = handlers.show_audit(loaded)
    plots = [part for part in steps if isinstance(part, gr.Plot)]
    sections = [part for part in steps if not isinstance(part, gr.Plot)]
    return accordion, notice, dict(zip(AUDITS, sections, strict=True)), plots


@pytest.mark.parametrize("name", AUDITS)
def test_each_step_has_its_words_its_tables_and_its_figures(loaded: LoadedReport, name: str) -> None:
    record = loaded.audit[name]
    html = section(name, record)
    assert html.count("<li>") == len(record.sentences())
    assert ("<table" in html) == (name in SECTIONS)
    assert not re.search(r"\bnan\b", html)
    for figure in audit_figures(name).values():
        drawn = figure(record)
        assert drawn is None or drawn.data


def test_a_whole_audit_is_shown_without_a_notice(loaded: LoadedReport) -> None:
    accordion, notice, sections, plots = shown(loaded)
    assert accordion.visible
    assert notice == ""
    assert all(f"<h3>{AUDITS[name].title}</h3>" in html for name, html in sections.items())
    assert len(plots) == sum(len(audit_figures(name)) for name in AUDITS)
    assert sum(plot.visible for plot in plots) >= len(PERTURBATIONS)


def test_tables_have_a_row_for_every_level_and_orientation(loaded: LoadedReport) -> None:
    levels = sum(len(row.levels) + 1 for row in PERTURBATIONS.values())
    assert section("robustness", loaded.audit["robustness"]).count('scope="row"') == levels
    html = section("orientations", loaded.audit["orientations"])
    assert html.count('scope="row"') == ORIENTATIONS
    assert f'title="{METRICS["balanced_accuracy"].help}"' in html


def test_a_curve_passes_through_the_unchanged_pictures(loaded: LoadedReport) -> None:
    record = loaded.audit["robustness"]
    figure = audit_figures("robustness")["Metrics against brightness"](record)
    place = figure.data[0].x.index("100%")
    assert figure.data[0].y[place] == record.unchanged["accuracy"].value
    assert place == 2


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_text("{"), lambda path: path.write_text("[]")])
def test_a_step_that_is_missing_or_damaged_names_the_command(own: Run, damage: object) -> None:
    damage(own.audit_folder / "robustness.json")
    accordion, notice, sections, plots = shown(load_part(own, "test"))
    assert accordion.visible
    assert AUDITS["robustness"].title.lower() in notice
    assert f"python -m skin audit {own.name}" in notice
    assert sections["robustness"] == ""
    assert sections["orientations"]
    assert sum(not plot.visible for plot in plots) >= len(PERTURBATIONS)


def test_a_run_made_before_there_were_audits_names_the_command(own: Run) -> None:
    shutil.rmtree(own.audit_folder)
    loaded = load_part(own, "test")
    assert loaded.audit == {}
    assert "python -m skin audit" in shown(loaded)[1]
    html = Path(handlers.make_file("Report (HTML)", loaded)).read_text()
    assert "python -m skin audit" in html


def test_text_of_a_foreign_audit_becomes_no_part_of_the_page(own: Run) -> None:
    path = own.audit_folder / "subgroups.json"
    text = path.read_text().replace('"female"', '"<script>alert(1)</script>"')
    path.write_text(text)
    assert load_step(own, "subgroups") is not None
    html = shown(load_part(own, "test"))[2]["subgroups"]
    assert "<script>" not in html
    assert "alert(1)" in html


def test_predictions_made_elsewhere_have_no_audit(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("truth,predicted\nmel,nv\nnv,nv\n")
    uploaded, _ = handlers.judge_upload(str(path))
    accordion, notice, sections, plots = shown(uploaded)
    assert not accordion.visible
    assert (notice, set(sections.values())) == ("", {""})
    assert not any(plot.visible for plot in plots)


def test_the_files_hold_the_audit(loaded: LoadedReport) -> None:
    html, text = (Path(handlers.make_file(kind, loaded)).read_text() for kind in list(DOWNLOADS)[:2])
    assert all(f"<h2>Audit: {step.title.lower()}</h2>" in html for step in AUDITS.values())
    assert json.loads(text)["audit"] == {name: to_plain(record) for name, record in loaded.audit.items()}
