"""The page around the tabs: their table, the header with its notice, the theme and deep links."""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from skin import DISCLAIMER, theme
from skin.experiments.experiment import find
from skin.run import list_runs
from skin.ui import server
from skin.ui.access import Access
from skin.ui.comparison import layout as comparison_layout
from skin.ui.components.context import AppContext
from skin.ui.components.templates import render
from skin.ui.dataset import layout as dataset_layout
from skin.ui.gradio_internals import HIDDEN_PROGRESS, tell_changes_once
from skin.ui.performance import layout as performance_layout
from skin.ui.predict import layout as predict_layout
from skin.ui.training import layout as training_layout
from skin.ui.training.experiment_snapshot import name_in
from skin.workspace import Workspace, assets

TITLE = "Skin Lesion Lab"
PURPOSE = "Train, explain and compare classifiers of dermatoscopic images, with and without the patient's data."
NOTICE = f"{DISCLAIMER} Show a lesion that worries you to a doctor."
TICK_SECONDS = 2
LOGO = "logo.svg"
MAX_UPLOAD = "20mb"


@dataclass(frozen=True)
class Tab:
    """One page of the app: its key in deep links, its title, and what lays it out."""

    key: str
    title: str
    build: Callable[[AppContext], None]


TABS: tuple[Tab, ...] = (
    Tab("predict", "Predict", predict_layout.build),
    Tab("dataset", "Dataset", dataset_layout.build),
    Tab("training", "Training", training_layout.build),
    Tab("performance", "Performance", performance_layout.build),
    Tab("comparison", "Comparison", comparison_layout.build),
)
"""The pages of the app, in order; the first is what a visitor sees."""


def build(workspace: Workspace, read_only: bool) -> gr.Blocks:
    """The whole app."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=server.DELETE_CACHE) as blocks:
        gr.HTML(_header(read_only), elem_id="header", padding=False)
        opened_run, opened_experiment, sent_image = gr.State(""), gr.State(""), gr.State()
        timer = gr.Timer(TICK_SECONDS)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            context = AppContext(workspace, read_only, blocks, tabs, opened_run, opened_experiment, timer, sent_image)
            for tab in TABS:
                _build_tab(tab, context)

        def follow(request: gr.Request) -> tuple[Any, Any, Any]:  # no partial: Gradio must see the type of its argument
            return follow_link(workspace, request.query_params)

        following = blocks.load(
            follow, None, [tabs, opened_run, opened_experiment], api_visibility="private", **HIDDEN_PROGRESS
        )
        following.then(None, js=_FOLLOWED, api_visibility="private")
    tell_changes_once(blocks)
    server.bound(blocks)
    return blocks


def _build_tab(tab: Tab, context: AppContext) -> None:
    with gr.Tab(tab.title, id=tab.key) as container:
        tab.build(context)
    container.select(None, js=_REMEMBER_TAB % ((tab.key,) * 3), api_visibility="private")


_FOLLOWED = "() => { window.followedLink = true }"

# The first tab is selected before the link is followed, and must not overwrite it. The run of the tab that is left goes.
_REMEMBER_TAB = """() => {
    const url = new URL(window.location);
    if (!window.followedLink || url.searchParams.get("tab") === "%s") return;
    url.searchParams.set("tab", "%s");
    const run = window.shownRuns?.["%s"];
    run ? url.searchParams.set("run", run) : url.searchParams.delete("run");
    window.history.replaceState(null, "", url);
}"""


def follow_link(workspace: Workspace, query: Mapping[str, str]) -> tuple[Any, Any, Any]:
    """The tab, the run and the experiment that the page's address names, where there are such.

    The address is `?tab=…&run=…`; in the place of a run's name stands the key of an experiment.
    """
    tab, run = query.get("tab"), query.get("run") or ""
    experiment = name_in(run)
    is_tab = tab in {row.key for row in TABS}
    is_run = run in {row.name for row in list_runs(workspace)}
    is_experiment = bool(experiment) and find(workspace, experiment) is not None
    if run and not (is_run or is_experiment):
        gr.Warning(html.escape(f"There is no run {run!r}: it was renamed or deleted, or the link is wrong."))
    return (
        gr.Tabs(selected=tab) if is_tab else gr.skip(),
        run if is_run else gr.skip(),
        experiment if is_experiment else gr.skip(),
    )


def _header(read_only: bool) -> Markup:
    logo = Markup((assets() / LOGO).read_text())
    return render("header.html", logo=logo, title=TITLE, purpose=PURPOSE, notice=NOTICE, read_only=read_only)


def launch_settings(access: Access, uploads: Path) -> dict[str, Any]:
    """The arguments of `Blocks.launch`: who may reach it, the looks, and nothing of a patient's left behind."""
    return {
        **server.settings(access, uploads),
        "theme": look(),
        "css": theme.page_properties(),
        "css_paths": sorted(assets().glob("*.css")),
        "favicon_path": assets() / LOGO,
        "max_file_size": MAX_UPLOAD,
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "footer_links": ["api", "settings"],
    }


def look() -> gr.themes.Base:
    """A quiet look in the fonts of the system, because a web font would be an outbound call."""
    return gr.themes.Default(
        primary_hue=theme.PRIMARY_HUE,
        secondary_hue=theme.PRIMARY_HUE,
        neutral_hue=theme.NEUTRAL_HUE,
        font=("ui-sans-serif", "system-ui", "sans-serif"),
        font_mono=("ui-monospace", "Consolas", "monospace"),
    ).set(
        color_accent="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        block_label_text_weight="500",
        block_title_text_weight="500",
        block_title_text_color="*body_text_color",
        block_info_text_color="*body_text_color_subdued",
        body_text_color_subdued="*neutral_500",
        button_cancel_background_fill=theme.CANCEL_BUTTON.light,
        button_cancel_background_fill_hover=theme.CANCEL_BUTTON.dark,
        button_cancel_background_fill_dark=theme.CANCEL_BUTTON.dark,
        button_cancel_background_fill_hover_dark=theme.CANCEL_BUTTON.light,
        slider_color="*primary_700",
        checkbox_background_color_selected="*primary_700",
        checkbox_background_color_selected_dark="*primary_600",
    )
