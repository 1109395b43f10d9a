"""`refvid models`: list the available models."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from refvid.embedded import DEFAULT_MODEL, describe_embedded

models_app = typer.Typer(name="models", help="Show the available models.")


@models_app.callback()
def models() -> None:
    """Show the available models."""


@models_app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead of the table.")] = False,
) -> None:
    """Print the models that come with refvid, one per line: name, parameters, size and what each is good for.

    -m also takes the folder of a model, such as runs/NAME/model, or a Hub id owner/name.
    """
    described = describe_embedded()
    if as_json:
        typer.echo(json.dumps([asdict(model) for model in described]))
        return
    width = max((len(model.name) for model in described), default=0)
    for model in described:
        default = " (the default)" if model.name == DEFAULT_MODEL else ""
        size = f"{model.parameters / 1e6:5.1f} M  {model.bytes / 1e6:5.1f} MB"
        typer.echo(f"{model.name:<{width}}  {size}  {model.summary}{default}")
