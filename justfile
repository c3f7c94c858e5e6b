# Recipes for who works on the project, in an environment with requirements-dev.txt installed. https://just.systems

compile := "uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --no-annotate pyproject.toml"

# List the recipes
default:
    @just --list

# Serve the app, with the flags of app.py
app *flags:
    python app.py {{ flags }}

# Run all tests, or those that the arguments choose
test *arguments:
    python -m pytest -n 2 --dist loadfile {{ arguments }}

# Run the tests that need neither a browser nor minutes
quick *arguments:
    python -m pytest -n 2 --dist loadfile -m "not browser and not slow" {{ arguments }}

# Check format, lint, types and who imports whom
lint:
    ruff format --check .
    ruff check .
    mypy
    lint-imports

# Pin what pyproject.toml asks for; a pin that still fits stays, `--upgrade` takes the newest
lock *flags:
    {{ compile }} {{ flags }} -o requirements.txt
    {{ compile }} {{ flags }} --extra dev -o requirements-dev.txt
    {{ compile }} {{ flags }} --extra gpu --no-emit-package tensorflow-cpu -o requirements-gpu.txt
